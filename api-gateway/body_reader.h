// Reads the members of one JSON object with their types and bounds, and remembers the first
// mistake; every member that nobody asked for is one, too.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api-gateway/call_error.h"
#include "libs/api/json.h"

namespace sandgate::gateway {

class BodyReader {
 public:
  // `prefix` is put before the members' names in errors ("limits."). `object` must outlive it.
  explicit BodyReader(const api::Json& object, std::string prefix = "");

  // null counts as absent everywhere: clients send it for parameters they do not set.
  std::string RequiredText(const std::string& name, size_t max_bytes);
  std::string OptionalText(const std::string& name, size_t max_bytes);
  // As RequiredText, and "" is a value.
  std::string RequiredContent(const std::string& name, size_t max_bytes);
  bool OptionalBool(const std::string& name);
  std::optional<int64_t> OptionalInteger(const std::string& name, int64_t min, int64_t max);
  std::optional<double> OptionalNumber(const std::string& name, double min, double max);
  std::vector<std::string> OptionalTexts(const std::string& name, size_t max_items,
                                         size_t max_bytes);
  // nullptr when absent.
  const api::Json* OptionalObject(const std::string& name);

  // The first mistake wins.
  void Fail(const std::string& name, const std::string& problem);
  bool ok() const { return !error_.has_value(); }
  // Call last: names a member that was never read.
  std::optional<CallError> Finish();

 private:
  const api::Json* Take(const std::string& name);
  std::string Text(const std::string& name, size_t max_bytes);

  const api::Json& object_;
  std::string prefix_;
  std::set<std::string> known_;
  std::optional<CallError> error_;
};

}  // namespace sandgate::gateway
