#include "libs/policy/yaml_reader.h"

#include <charconv>
#include <set>

namespace sandgate::policy {
namespace {

std::string Quoted(std::string text) {
  constexpr size_t kShown = 64;
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return "\"" + text + "\"";
}

int LineOf(const YAML::Node& node, int fallback) {
  const int line = node.Mark().line;
  return line < 0 ? fallback : line + 1;
}

const char* KindOf(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return "a single value";
  return "nothing";
}

}  // namespace

Reader::Reader(YAML::Node node, std::string path, std::string file, int line)
    : node_(std::move(node)), path_(std::move(path)), file_(std::move(file)), line_(line) {}

Reader Reader::Parse(const std::string& yaml, const std::string& file_name) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(yaml);
    if (documents.size() > 1) {
      throw ConfigError{file_name + ":" + std::to_string(LineOf(documents[1], 1)) +
                        ": a second document begins here; a policy is one YAML document"};
    }
    const YAML::Node root = documents.empty() ? YAML::Node() : documents[0];
    return Reader(root, "", file_name, 1);
  } catch (const YAML::ParserException& error) {
    throw ConfigError{file_name + ":" + std::to_string(error.mark.line + 1) +
                      ": not valid YAML: " + error.msg};
  }
}

void Reader::Fail(const std::string& what) const {
  throw ConfigError{file_ + ":" + std::to_string(line_) + ": " +
                    (path_.empty() ? "" : path_ + ": ") + what};
}

Reader Reader::ChildOf(const std::string& key, const YAML::Node& node, int line) const {
  return Reader(node, path_.empty() ? key : path_ + "." + key, file_, LineOf(node, line));
}

std::vector<std::pair<std::string, Reader>> Reader::Members(size_t max) const {
  std::vector<std::pair<std::string, Reader>> members;
  if (!node_ || node_.IsNull()) return members;
  if (!node_.IsMap()) Fail(std::string("must be a mapping (key: value), not ") + KindOf(node_));
  std::set<std::string> seen;
  for (const auto& member : node_) {
    const int line = LineOf(member.first, line_);
    if (!member.first.IsScalar()) Fail("has a key that is not a single word");
    const std::string& key = member.first.Scalar();
    Reader child(member.second, path_.empty() ? key : path_ + "." + key, file_, line);
    // yaml-cpp keeps both silently, and then which one counts?
    if (!seen.insert(key).second) child.Fail("stands twice; keep one of them");
    members.emplace_back(key, std::move(child));
    if (members.size() > max) Fail("has more than " + std::to_string(max) + " members");
  }
  return members;
}

void Reader::ExpectKeys(std::initializer_list<const char*> allowed) const {
  constexpr size_t kAnyMapping = 1024;
  for (const auto& [key, child] : Members(kAnyMapping)) {
    bool known = false;
    std::string all;
    for (const char* name : allowed) {
      known = known || key == name;
      all += (all.empty() ? "" : ", ") + std::string(name);
    }
    if (!known) child.Fail("unknown key; here stand only: " + all);
  }
}

std::optional<Reader> Reader::Find(const std::string& key) const {
  if (!node_ || !node_.IsMap()) return std::nullopt;
  for (const auto& member : node_) {
    if (!member.first.IsScalar() || member.first.Scalar() != key) continue;
    if (member.second.IsNull()) return std::nullopt;
    return ChildOf(key, member.second, LineOf(member.first, line_));
  }
  return std::nullopt;
}

Reader Reader::Require(const std::string& key) const {
  const std::optional<Reader> found = Find(key);
  if (!found) Fail("needs the key \"" + key + "\"");
  return *found;
}

std::string Reader::Scalar(const char* wanted) const {
  if (!node_ || !node_.IsScalar()) {
    Fail("must be " + std::string(wanted) + ", not " + KindOf(node_));
  }
  return node_.Scalar();
}

bool Reader::Boolean() const {
  const std::string text = Scalar("true or false");
  if (text == "true") return true;
  if (text == "false") return false;
  Fail("must be true or false, not " + Quoted(text));
}

int64_t Reader::Integer(int64_t min, int64_t max) const {
  const std::string wanted =
      "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  const std::string text = Scalar(wanted.c_str());
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    Fail("must be " + wanted + ", not " + Quoted(text));
  }
  return value;
}

double Reader::Number(double min, double max) const {
  char wanted[64];
  std::snprintf(wanted, sizeof(wanted), "a number from %g to %g", min, max);
  const std::string text = Scalar(wanted);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Written so that NaN is refused as well.
  const bool within = value >= min && value <= max;
  if (error != std::errc() || end != text.data() + text.size() || !within) {
    Fail("must be " + std::string(wanted) + ", not " + Quoted(text));
  }
  return value;
}

std::string Reader::Text(size_t max_bytes) const {
  std::string text = Scalar("a text");
  if (text.empty()) Fail("must not be empty");
  if (text.size() > max_bytes) {
    Fail("has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(max_bytes) +
         " are allowed");
  }
  return text;
}

std::vector<Reader> Reader::Items(size_t max) const {
  if (!node_ || !node_.IsSequence()) Fail(std::string("must be a list, not ") + KindOf(node_));
  if (node_.size() > max) {
    Fail("has " + std::to_string(node_.size()) + " entries; at most " + std::to_string(max) +
         " are allowed");
  }
  std::vector<Reader> items;
  int line = line_;
  for (const YAML::Node& item : node_) {
    line = LineOf(item, line);
    items.push_back(Reader(item, path_ + "[" + std::to_string(items.size()) + "]", file_, line));
  }
  return items;
}

std::vector<std::string> Reader::Texts(size_t max) const {
  std::vector<std::string> texts;
  for (const Reader& item : Items(max)) texts.push_back(item.Text());
  if (texts.empty()) Fail("must not be an empty list");
  return texts;
}

}  // namespace sandgate::policy
