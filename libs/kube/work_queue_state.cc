#include "libs/kube/work_queue_state.h"

#include <algorithm>

namespace sandgate::kube {

void WorkQueueState::Add(const Key& key) {
  if (!dirty_.insert(key).second) return;
  if (!processing_.contains(key)) ready_.push_back(key);
}

void WorkQueueState::AddAt(const Key& key, base::MonotonicTime due) {
  const auto [found, fresh] = due_.try_emplace(key, due);
  if (!fresh) {
    if (found->second <= due) return;
    delayed_.erase({found->second, key});
    found->second = due;
  }
  delayed_.emplace(due, key);
}

void WorkQueueState::AddRateLimited(const Key& key, base::MonotonicTime now, double random) {
  const int failures = failures_[key]++;
  auto delay = std::chrono::duration<double, std::milli>(kMinRetryDelay);
  for (int i = 0; i < failures && delay < kMaxRetryDelay; ++i) delay *= 2;
  delay = std::min<std::chrono::duration<double, std::milli>>(delay, kMaxRetryDelay);
  delay *= 1 + kRetryJitter * random;
  AddAt(key, now + std::chrono::duration_cast<base::Duration>(delay));
}

void WorkQueueState::Wake(base::MonotonicTime now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    const Key key = delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    due_.erase(key);
    Add(key);
  }
}

std::optional<Key> WorkQueueState::Take(base::MonotonicTime now) {
  Wake(now);
  if (ready_.empty()) return std::nullopt;
  Key key = std::move(ready_.front());
  ready_.pop_front();
  dirty_.erase(key);
  processing_.insert(key);
  return key;
}

void WorkQueueState::Done(const Key& key) {
  if (processing_.erase(key) == 0) return;
  if (dirty_.contains(key)) ready_.push_back(key);
}

std::optional<base::MonotonicTime> WorkQueueState::NextDue() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.begin()->first;
}

}  // namespace sandgate::kube
