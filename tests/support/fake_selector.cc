#include "tests/support/fake_selector.h"

#include <functional>
#include <optional>
#include <string_view>

namespace sandgate::testing {
namespace {

using Lookup = std::function<std::optional<std::string>(const std::string& key)>;

bool MatchesOne(const std::string& term, const Lookup& lookup) {
  const size_t at = term.find('=');
  if (at == std::string::npos) {
    return term.starts_with('!') ? !lookup(term.substr(1)) : lookup(term).has_value();
  }
  const bool negated = at > 0 && term[at - 1] == '!';
  const bool doubled = at + 1 < term.size() && term[at + 1] == '=';
  const std::string key = term.substr(0, negated ? at - 1 : at);
  const std::string want = term.substr(at + (doubled ? 2 : 1));
  const auto found = lookup(key);
  return negated ? found != want : found == want;
}

bool MatchesAll(const std::string& selector, const Lookup& lookup) {
  size_t begin = 0;
  while (begin < selector.size()) {
    size_t end = selector.find(',', begin);
    if (end == std::string::npos) end = selector.size();
    if (end > begin && !MatchesOne(selector.substr(begin, end - begin), lookup)) return false;
    begin = end + 1;
  }
  return true;
}

std::string FieldAt(const api::Json& object, std::string_view path) {
  const api::Json* at = &object;
  while (true) {
    const size_t dot = path.find('.');
    if (dot == std::string_view::npos) return api::StringOr(*at, path);
    at = &api::Member(*at, path.substr(0, dot));
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

bool MatchesLabels(const std::string& selector, const api::Json& object) {
  const api::Json& labels = api::Member(api::Member(object, "metadata"), "labels");
  return MatchesAll(selector, [&](const std::string& key) -> std::optional<std::string> {
    const api::Json& value = api::Member(labels, key);
    if (!value.is_string()) return std::nullopt;
    return value.get<std::string>();
  });
}

bool MatchesFields(const std::string& selector, const api::Json& object) {
  return MatchesAll(selector, [&](const std::string& key) -> std::optional<std::string> {
    return FieldAt(object, key);
  });
}

}  // namespace sandgate::testing
