// Time that stands still until the simulator moves it.
#pragma once

#include <atomic>

#include "libs/base/clock.h"

namespace sandgate::crash {

// Thread-safe.
class ManualClock final : public base::Clock {
 public:
  base::Time Now() const override {
    return std::chrono::time_point_cast<base::Time::duration>(
        *base::ParseTime("2030-01-01T00:00:00Z") + base::Duration(passed_.load()));
  }
  base::MonotonicTime MonotonicNow() const override {
    return base::MonotonicTime(std::chrono::hours(1)) + base::Duration(passed_.load());
  }
  void Advance(base::Duration by) { passed_ += by.count(); }

 private:
  std::atomic<int64_t> passed_{0};
};

}  // namespace sandgate::crash
