#include "runner/wait_list.h"

#include <utility>

namespace sandgate::runner {
namespace {

template <typename Map, typename Wanted>
std::vector<WaitList::Waiter> Take(Map& waiters, Wanted wanted) {
  std::vector<WaitList::Waiter> taken;
  for (auto next = waiters.begin(); next != waiters.end();) {
    if (wanted(next->second)) {
      taken.push_back(std::move(next->second));
      next = waiters.erase(next);
    } else {
      ++next;
    }
  }
  return taken;
}

}  // namespace

std::optional<uint64_t> WaitList::Add(Waiter waiter) {
  if (waiters_.size() >= limit_) return std::nullopt;
  waiters_.emplace(next_number_, std::move(waiter));
  return next_number_++;
}

std::vector<WaitList::Waiter> WaitList::TakeFor(const std::string& run_id) {
  return Take(waiters_, [&run_id](const Waiter& waiter) { return waiter.run_id == run_id; });
}

std::vector<WaitList::Waiter> WaitList::TakeExpired(base::MonotonicTime now) {
  return Take(waiters_, [now](const Waiter& waiter) { return waiter.until <= now; });
}

std::vector<WaitList::Waiter> WaitList::TakeAll() {
  return Take(waiters_, [](const Waiter&) { return true; });
}

std::optional<base::MonotonicTime> WaitList::NextExpiry() const {
  std::optional<base::MonotonicTime> next;
  for (const auto& [number, waiter] : waiters_) {
    if (!next || waiter.until < *next) next = waiter.until;
  }
  return next;
}

}  // namespace sandgate::runner
