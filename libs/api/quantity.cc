#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "libs/api/sandbox.h"

namespace sandgate::api {
namespace {

// The suffix's factor; nullopt when there is no such suffix (apimachinery's resource.Quantity).
std::optional<long double> Factor(std::string_view suffix) {
  static constexpr struct {
    std::string_view name;
    long double factor;
  } kFactors[] = {{"", 1},
                  {"n", 1e-9L},
                  {"u", 1e-6L},
                  {"m", 1e-3L},
                  {"k", 1e3L},
                  {"M", 1e6L},
                  {"G", 1e9L},
                  {"T", 1e12L},
                  {"P", 1e15L},
                  {"E", 1e18L},
                  {"Ki", 1024.0L},
                  {"Mi", 1048576.0L},
                  {"Gi", 1073741824.0L},
                  {"Ti", 1099511627776.0L},
                  {"Pi", 1125899906842624.0L},
                  {"Ei", 1152921504606846976.0L}};
  for (const auto& one : kFactors) {
    if (one.name == suffix) return one.factor;
  }
  return std::nullopt;
}

std::optional<int64_t> Scaled(std::string_view text, long double scale) {
  constexpr long double kMax = 9007199254740992.0L;  // 2^53: every reader of JSON agrees up to here
  constexpr size_t kMaxLength = 32;
  if (text.empty() || text.size() > kMaxLength) return std::nullopt;
  const size_t digits = text.find_first_not_of("0123456789.");
  const std::string number(text.substr(0, digits));
  std::string_view suffix = digits == std::string_view::npos ? "" : text.substr(digits);
  long double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value,
                                            std::chars_format::fixed);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E')) {
    int exponent = 0;
    std::string_view power = suffix.substr(1);
    if (power[0] == '+') power.remove_prefix(1);
    const auto parsed = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (parsed.ec == std::errc() && parsed.ptr == power.data() + power.size() &&
        std::abs(exponent) <= 18) {
      value *= std::pow(10.0L, exponent);
      suffix = "";
    }
  }
  const auto factor = Factor(suffix);
  if (!factor) return std::nullopt;
  const long double scaled = std::ceil(value * *factor * scale - 1e-9L);
  if (!(scaled >= 0 && scaled <= kMax)) return std::nullopt;
  return static_cast<int64_t>(scaled);
}

}  // namespace

std::optional<int64_t> QuantityMillis(std::string_view text) {
  return Scaled(text, 1000.0L);
}

std::optional<int64_t> QuantityUnits(std::string_view text) {
  return Scaled(text, 1.0L);
}

}  // namespace sandgate::api
