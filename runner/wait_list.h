// Calls that wait for the end of a run. Pure: no clock, no lock, no thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/http/server.h"

namespace sandgate::runner {

class WaitList {
 public:
  explicit WaitList(size_t limit) : limit_(limit) {}

  struct Waiter {
    std::string run_id;
    base::MonotonicTime until;
    http::Responder responder;
  };

  // The waiter's number; none when the list is full (then answer at once).
  std::optional<uint64_t> Add(Waiter waiter);
  void Remove(uint64_t number) { waiters_.erase(number); }

  // Takes out all who wait for that run, or whose time is over.
  std::vector<Waiter> TakeFor(const std::string& run_id);
  std::vector<Waiter> TakeExpired(base::MonotonicTime now);
  std::vector<Waiter> TakeAll();

  std::optional<base::MonotonicTime> NextExpiry() const;

 private:
  size_t limit_;
  uint64_t next_number_ = 1;
  std::map<uint64_t, Waiter> waiters_;
};

}  // namespace sandgate::runner
