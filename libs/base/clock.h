// Time: the one door to the machine's clocks, so that tests can hold time in their hands.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace sandgate::base {

using Time = std::chrono::system_clock::time_point;           // what people and the API server mean
using MonotonicTime = std::chrono::steady_clock::time_point;  // for deadlines inside a process
using Duration = std::chrono::nanoseconds;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
  virtual MonotonicTime MonotonicNow() const = 0;
};

// The machine's own clocks; lives as long as the process.
const Clock& RealClock();

// RFC 3339 in UTC. `FormatTime` has whole seconds, as metav1.Time; `FormatMicroTime` has six
// digits, as metav1.MicroTime (leases, events).
std::string FormatTime(Time time);
std::string FormatMicroTime(Time time);

// Reads RFC 3339 as the API server writes it (UTC, "Z"; fractions allowed). nullopt if
// malformed or outside the years 1678 to 2261, which are all that Time can hold.
std::optional<Time> ParseTime(std::string_view text);

}  // namespace sandgate::base
