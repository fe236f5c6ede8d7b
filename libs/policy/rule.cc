#include "libs/policy/rule.h"

#include <algorithm>

namespace sandgate::policy {
namespace {

constexpr char kListParameter[] = "allowed_domains";

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::string> ValuesOf(const Call& call, const std::string& param) {
  if (param == "network_enabled") return {call.network_enabled ? "true" : "false"};
  const auto found = call.parameters.find(param);
  if (found == call.parameters.end()) return {};
  if (param == kListParameter) return Split(found->second);
  return {found->second};
}

bool IsNegative(Operator op) {
  return op == Operator::kNotMatches || op == Operator::kNotIn;
}

// *position is set when a pattern was found.
bool Meets(const Condition& condition, const std::string& value, size_t* position) {
  const auto listed = [&] {
    return std::find(condition.values.begin(), condition.values.end(), value) !=
           condition.values.end();
  };
  switch (condition.op) {
    case Operator::kMatches: {
      re2::StringPiece found;
      if (!condition.regex->Match(value, 0, value.size(), re2::RE2::UNANCHORED, &found, 1)) {
        return false;
      }
      *position = static_cast<size_t>(found.data() - value.data());
      return true;
    }
    case Operator::kNotMatches:
      return !re2::RE2::PartialMatch(value, *condition.regex);
    case Operator::kEquals:
    case Operator::kIn:
      return listed();
    case Operator::kNotIn:
      return !listed();
  }
  return true;
}

// Where the pattern was found: the line of a long text, or the parameter as it is.
std::string Evidence(const std::string& param, const std::string& value, size_t position) {
  const std::string line = LineAt(value, position);
  if (param == "code" || param == "content") return line;
  return param + line.substr(line.find(':'));
}

// True when the condition holds; *evidence gets what a pattern found.
bool Holds(const Condition& condition, const Call& call, bool relaxes, std::string* evidence) {
  const std::vector<std::string> values = ValuesOf(call, condition.param);
  if (values.empty()) return !relaxes && IsNegative(condition.op);
  bool all = true;
  bool any = false;
  bool told = false;
  for (const std::string& value : values) {
    size_t position = std::string::npos;
    const bool meets = Meets(condition, value, &position);
    all = all && meets;
    any = any || meets;
    if (meets && position != std::string::npos && !told) {
      *evidence += (evidence->empty() ? "" : "; ") + Evidence(condition.param, value, position);
      told = true;
    }
  }
  return relaxes ? all : any;
}

}  // namespace

const char* OperatorName(Operator op) {
  switch (op) {
    case Operator::kMatches:
      return "matches";
    case Operator::kNotMatches:
      return "notMatches";
    case Operator::kEquals:
      return "equals";
    case Operator::kIn:
      return "in";
    case Operator::kNotIn:
      return "notIn";
  }
  return "";
}

std::chrono::seconds DefaultTimeout(api::RiskLevel risk) {
  switch (risk) {
    case api::RiskLevel::kLow:
      return std::chrono::seconds(0);
    case api::RiskLevel::kMedium:
      return std::chrono::seconds(120);
    case api::RiskLevel::kHigh:
      return std::chrono::seconds(60);
    case api::RiskLevel::kCritical:
      return std::chrono::seconds(30);
  }
  return std::chrono::seconds(30);
}

const std::vector<std::string>& Tools() {
  static const std::vector<std::string> tools = {"code_execute",    "code_install_package",
                                                 "code_write_file", "code_read_file",
                                                 "code_list_files", "code_destroy_sandbox"};
  return tools;
}

const std::vector<std::string>& ParametersOf(const std::string& tool) {
  static const std::map<std::string, std::vector<std::string>> parameters = {
      {"code_execute",
       {"language", "code", "sandbox_id", "timeout", "network_enabled", "allowed_domains"}},
      {"code_install_package", {"sandbox_id", "package", "registry", "timeout", "network_enabled"}},
      {"code_write_file", {"sandbox_id", "file_path", "content", "mode", "append"}},
      {"code_read_file", {"sandbox_id", "file_path"}},
      {"code_list_files", {"sandbox_id", "path"}},
      {"code_destroy_sandbox", {"sandbox_id"}},
  };
  static const std::vector<std::string> none;
  const auto found = parameters.find(tool);
  return found == parameters.end() ? none : found->second;
}

std::optional<Match> Apply(const Rule& rule, const Call& call) {
  if (std::find(rule.tools.begin(), rule.tools.end(), call.tool) == rule.tools.end()) {
    return std::nullopt;
  }
  const bool relaxes = rule.risk == api::RiskLevel::kLow;
  std::string evidence;
  for (const Condition& condition : rule.conditions) {
    if (!Holds(condition, call, relaxes, &evidence)) return std::nullopt;
  }
  std::string reason = std::string(api::RiskName(rule.risk)) + ": " + rule.description;
  if (!evidence.empty()) reason += " (" + evidence + ")";
  return Match{rule.risk, rule.timeout.value_or(DefaultTimeout(rule.risk)), std::move(reason)};
}

std::string LineAt(const std::string& text, size_t position) {
  constexpr size_t kShown = 120;
  // A match may begin with the line break before the word it is about.
  while (position < text.size() && (text[position] == '\n' || text[position] == ' ')) ++position;
  position = std::min(position, text.size());
  const auto number =
      1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(position), '\n');
  size_t begin = position == 0 ? 0 : text.rfind('\n', position - 1) + 1;
  size_t end = std::min(text.find('\n', position), text.size());
  if (position - begin > kShown / 2) begin = position - kShown / 2;
  end = std::min(end, begin + kShown);
  std::string line;
  for (size_t i = begin; i < end; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool continues = (c & 0xC0U) == 0x80U;  // one mark for each character, not for each byte
    if (c >= 0x20 && c < 0x7f) {
      line += text[i];
    } else if (!continues) {
      line += '?';
    }
  }
  const size_t first = std::min(line.find_first_not_of(' '), line.size());
  return "line " + std::to_string(number) + ": " + line.substr(first);
}

std::string LinesAt(const std::string& text, const std::vector<size_t>& positions) {
  std::string told = LineAt(text, positions.front());
  const auto number = [](const std::string& line) { return line.substr(0, line.find(':')); };
  std::string last = number(told);
  std::string others;
  for (const size_t position : positions) {
    std::string mine = number(LineAt(text, position));
    if (mine == last) continue;
    last = std::move(mine);
    others += (others.empty() ? "; also " : ", ") + last;
  }
  return told + others;
}

}  // namespace sandgate::policy
