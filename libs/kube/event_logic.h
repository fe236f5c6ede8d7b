// Which Events are worth an API call: repetition raises a count, and a noisy object is cut off.
// Pure: time is passed in.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "libs/base/clock.h"

namespace sandgate::kube {

inline constexpr std::chrono::minutes kEventRepeatWindow{10};
inline constexpr double kEventBurst = 25;                       // an object
inline constexpr std::chrono::minutes kEventRefillInterval{5};  // then one in this time
inline constexpr size_t kMaxEventEntries = 4096;                // of each of the two tables

struct EventDecision {
  enum class Kind { kDrop, kCreate, kRaiseCount };
  Kind kind = Kind::kDrop;
  std::string name;  // of the Event object that is raised; "" to create
  int64_t count = 1;
};

class EventCorrelator {
 public:
  // `object_uid` is noisy or not; `text` is everything that makes two events the same.
  EventDecision Decide(const std::string& object_uid, const std::string& text,
                       base::MonotonicTime now);
  // A create succeeded under this name: repetitions raise its count.
  void Created(const std::string& object_uid, const std::string& text, const std::string& name,
               base::MonotonicTime now);
  // The Event is gone (the API server keeps them an hour): the next one is created anew.
  void Lost(const std::string& object_uid, const std::string& text);

  // Of both tables; at most twice kMaxEventEntries.
  size_t entries() const { return repeated_.size() + budgets_.size(); }

 private:
  struct Repeated {
    std::string name;
    int64_t count = 1;
    base::MonotonicTime last{};
  };
  struct Budget {
    double tokens = kEventBurst;
    base::MonotonicTime last{};
  };
  bool Spend(const std::string& object_uid, base::MonotonicTime now);

  std::map<std::string, Repeated> repeated_;  // by uid and text
  std::map<std::string, Budget> budgets_;     // by uid
};

}  // namespace sandgate::kube
