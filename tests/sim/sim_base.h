// Time and chance of a simulated world. Everything that happens follows from the seed.
#pragma once

#include <cstdint>
#include <random>

#include "libs/base/clock.h"

namespace sandgate::sim {

// A clock that moves when it is told to; the monotonic one moves with it.
class SimClock final : public base::Clock {
 public:
  base::Time Now() const override { return start_ + passed_; }
  base::MonotonicTime MonotonicNow() const override { return base::MonotonicTime() + passed_; }
  void Advance(base::Duration by) { passed_ += by; }

 private:
  const base::Time start_ = *base::ParseTime("2030-01-01T00:00:00Z");
  base::Duration passed_{std::chrono::hours(1)};
};

class Chance {
 public:
  explicit Chance(uint64_t seed) : engine_(seed) {}
  // From 0 to `below` - 1.
  size_t Pick(size_t below) { return static_cast<size_t>(engine_() % below); }
  bool OneIn(size_t n) { return Pick(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace sandgate::sim
