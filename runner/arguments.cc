#include "runner/arguments.h"

#include <algorithm>
#include <charconv>

namespace sandgate::runner {
namespace {

base::Status Bad(const std::string& name, const std::string& problem) {
  return base::Status(base::Code::kInvalidArgument, name + ": " + problem);
}

}  // namespace

base::Result<Arguments> Arguments::Parse(const std::vector<std::string>& words,
                                         const std::vector<std::string>& known) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); i += 2) {
    const std::string& name = words[i];
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Bad(name, "is unknown");
    }
    if (i + 1 == words.size()) return Bad(name, "needs a value");
    if (!arguments.values_.emplace(name, words[i + 1]).second) return Bad(name, "stands twice");
  }
  return arguments;
}

base::Result<std::string> Arguments::Required(const std::string& name) const {
  const auto value = values_.find(name);
  if (value == values_.end() || value->second.empty()) return Bad(name, "is required");
  return value->second;
}

std::string Arguments::Or(const std::string& name, const std::string& fallback) const {
  const auto value = values_.find(name);
  return value == values_.end() ? fallback : value->second;
}

base::Result<int64_t> Arguments::NumberOr(const std::string& name, int64_t fallback, int64_t low,
                                          int64_t high) const {
  const auto value = values_.find(name);
  if (value == values_.end()) return fallback;
  const std::string& text = value->second;
  int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || rest != text.data() + text.size() || number < low || number > high) {
    return Bad(
        name, "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

}  // namespace sandgate::runner
