#include "operator/compare.h"

#include <string_view>

namespace sandgate::op {
namespace {

using api::Json;

// What the API server fills in. All of them make a rule apply to more, never to less.
struct Default {
  std::string_view member, value;
};
constexpr Default kDefaults[] = {{"matchPolicy", "Equivalent"},
                                 {"failurePolicy", "Fail"},
                                 {"reinvocationPolicy", "Never"},
                                 {"scope", "*"},
                                 {"protocol", "TCP"}};

bool Harmless(const std::string& key, const Json& value) {
  if (value.is_null() || (value.is_structured() && value.empty())) {
    // An empty rule list can mean "everything" (NetworkPolicy): absent and empty differ there.
    return key != "ingress" && key != "egress" && key != "from" && key != "to" && key != "ports";
  }
  for (const Default& one : kDefaults) {
    if (key == one.member && value == one.value) return true;
  }
  return false;
}

std::string Join(const std::string& head, const std::string& tail) {
  if (tail.empty()) return head;
  return tail.front() == '[' ? head + tail : head + "." + tail;
}

struct Difference {
  bool found = false;
  std::string where;
};

Difference Compare(const Json& expected, const Json& live);

Difference CompareObjects(const Json& expected, const Json& live) {
  for (const auto& [key, value] : expected.items()) {
    if (!live.contains(key) && Harmless(key, value)) continue;
    Difference inner = Compare(value, api::Member(live, key));
    if (inner.found) return {true, Join(key, inner.where)};
  }
  for (const auto& [key, value] : live.items()) {
    if (!expected.contains(key) && !Harmless(key, value)) return {true, key};
  }
  return {};
}

Difference CompareArrays(const Json& expected, const Json& live) {
  if (expected.size() != live.size()) return {true, ""};
  for (size_t i = 0; i < expected.size(); ++i) {
    Difference inner = Compare(expected[i], live[i]);
    if (inner.found) return {true, Join("[" + std::to_string(i) + "]", inner.where)};
  }
  return {};
}

Difference Compare(const Json& expected, const Json& live) {
  if (expected.is_object() && live.is_object()) return CompareObjects(expected, live);
  if (expected.is_array() && live.is_array()) return CompareArrays(expected, live);
  return {expected != live, ""};
}

}  // namespace

std::string FirstDifference(const Json& expected, const Json& live) {
  const Difference difference = Compare(expected, live);
  if (!difference.found) return "";
  return difference.where.empty() ? "the object" : difference.where;
}

}  // namespace sandgate::op
