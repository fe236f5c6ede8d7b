#include "libs/api/json.h"

#include <set>
#include <string>
#include <vector>

namespace sandgate::api {
namespace {

// Watches the parser's events for what nlohmann accepts and we do not.
class Guard {
 public:
  explicit Guard(size_t max_depth) : max_depth_(max_depth) {}

  bool operator()(int /*depth*/, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        names_.emplace_back();
        Enter();
        break;
      case Json::parse_event_t::array_start:
        names_.emplace_back();
        Enter();
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        names_.pop_back();
        break;
      case Json::parse_event_t::key:
        Name(parsed.get_ref<const std::string&>());
        break;
      case Json::parse_event_t::value:
        break;
    }
    // Keeping nothing once it is refused keeps a hostile document from growing in memory.
    return problem_.empty();
  }

  const std::string& problem() const { return problem_; }

 private:
  void Enter() {
    if (names_.size() > max_depth_ && problem_.empty()) {
      problem_ = "nested deeper than " + std::to_string(max_depth_) + " levels";
    }
  }
  void Name(const std::string& name) {
    if (!names_.back().insert(name).second && problem_.empty()) {
      problem_ = "member \"" + name.substr(0, 64) + "\" stands twice in one object";
    }
  }

  size_t max_depth_;
  std::vector<std::set<std::string>> names_;
  std::string problem_;
};

// The parser repeats what it read last, all of it; what it expected stands behind it.
std::string Shortened(const std::string& message) {
  constexpr size_t kBegin = 160, kEnd = 64;
  if (message.size() <= kBegin + kEnd) return message;
  bool replaced = false;
  const std::string ends =
      message.substr(0, kBegin) + " ... " + message.substr(message.size() - kEnd);
  return ToUtf8(ends, &replaced);
}

const Json& Null() {
  static const Json null;
  return null;
}

}  // namespace

base::Result<Json> ParseJson(std::string_view text, size_t max_depth) {
  Guard guard(max_depth);
  try {
    Json json = Json::parse(text, std::ref(guard));
    if (!guard.problem().empty()) {
      return base::Status(base::Code::kInvalidArgument, guard.problem());
    }
    return json;
  } catch (const Json::exception& error) {
    const std::string& why = guard.problem();
    return base::Status(base::Code::kInvalidArgument, why.empty() ? Shortened(error.what()) : why);
  }
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json& Member(const Json& object, std::string_view key) {
  if (!object.is_object()) return Null();
  const auto found = object.find(key);
  return found == object.end() ? Null() : *found;
}

std::string StringOr(const Json& object, std::string_view key, std::string_view fallback) {
  const Json& member = Member(object, key);
  return member.is_string() ? member.get<std::string>() : std::string(fallback);
}

int64_t IntOr(const Json& object, std::string_view key, int64_t fallback) {
  const Json& member = Member(object, key);
  return member.is_number_integer() ? member.get<int64_t>() : fallback;
}

bool BoolOr(const Json& object, std::string_view key, bool fallback) {
  const Json& member = Member(object, key);
  return member.is_boolean() ? member.get<bool>() : fallback;
}

std::string ToUtf8(std::string_view text, bool* replaced) {
  // The library's own encoder decides what is UTF-8; parsing it back gives the text it kept.
  const Json once(std::string{text});
  std::string clean = Json::parse(DumpJson(once)).get<std::string>();
  *replaced = clean != text;
  return clean;
}

}  // namespace sandgate::api
