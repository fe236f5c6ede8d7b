#include "libs/base/clock.h"

#include <cstdio>

namespace sandgate::base {
namespace {

using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

// The whole years that `Time` holds: beyond them 64 bits of nanoseconds wrap round, and a far
// deadline would be a past one.
constexpr int kFirstYear = 1678;
constexpr int kLastYear = 2261;

class SystemClock final : public Clock {
 public:
  Time Now() const override { return system_clock::now(); }
  MonotonicTime MonotonicNow() const override { return std::chrono::steady_clock::now(); }
};

std::string FormatSeconds(Time time) {
  const auto day = floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(floor<seconds>(time - day));
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return buffer;
}

// Reads exactly `width` digits at `*at` and moves past them; no sign is a digit.
std::optional<int> Digits(std::string_view text, size_t* at, size_t width) {
  if (*at + width > text.size()) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(*at, width)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  *at += width;
  return value;
}

bool Literal(std::string_view text, size_t* at, char want) {
  if (*at >= text.size() || text[*at] != want) return false;
  ++*at;
  return true;
}

// The part after the point, as nanoseconds; at most nine digits.
std::optional<std::chrono::nanoseconds> Fraction(std::string_view text, size_t* at) {
  int64_t value = 0;
  int digits = 0;
  for (; *at < text.size() && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
    if (++digits > 9) return std::nullopt;
    value = value * 10 + (text[*at] - '0');
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return std::chrono::nanoseconds(value);
}

}  // namespace

const Clock& RealClock() {
  static const SystemClock clock;
  return clock;
}

std::string FormatTime(Time time) {
  return FormatSeconds(time) + "Z";
}

std::string FormatMicroTime(Time time) {
  const auto micros = floor<microseconds>(time.time_since_epoch()).count() % 1000000;
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, ".%06dZ",
                static_cast<int>(micros < 0 ? micros + 1000000 : micros));
  return FormatSeconds(time) + buffer;
}

std::optional<Time> ParseTime(std::string_view text) {
  size_t at = 0;
  const auto year = Digits(text, &at, 4);
  if (!year || *year < kFirstYear || *year > kLastYear || !Literal(text, &at, '-')) {
    return std::nullopt;
  }
  const auto month = Digits(text, &at, 2);
  if (!month || !Literal(text, &at, '-')) return std::nullopt;
  const auto day = Digits(text, &at, 2);
  if (!day || !Literal(text, &at, 'T')) return std::nullopt;
  const auto hour = Digits(text, &at, 2);
  if (!hour || *hour > 23 || !Literal(text, &at, ':')) return std::nullopt;
  const auto minute = Digits(text, &at, 2);
  if (!minute || *minute > 59 || !Literal(text, &at, ':')) return std::nullopt;
  const auto second = Digits(text, &at, 2);
  if (!second || *second > 60) return std::nullopt;
  std::chrono::nanoseconds fraction(0);
  if (at < text.size() && text[at] == '.') {
    ++at;
    const auto parsed = Fraction(text, &at);
    if (!parsed) return std::nullopt;
    fraction = *parsed;
  }
  if (!Literal(text, &at, 'Z') || at != text.size()) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         seconds(*second) + fraction;
}

}  // namespace sandgate::base
