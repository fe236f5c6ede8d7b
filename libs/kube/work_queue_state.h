// The work queue's rules, without threads and without a clock: time is passed in.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "libs/base/clock.h"
#include "libs/kube/key.h"

namespace sandgate::kube {

inline constexpr std::chrono::milliseconds kMinRetryDelay{5};
inline constexpr std::chrono::milliseconds kMaxRetryDelay{60'000};
inline constexpr double kRetryJitter = 0.1;

class WorkQueueState {
 public:
  void Add(const Key& key);
  void AddAt(const Key& key, base::MonotonicTime due);
  // `random` in [0, 1).
  void AddRateLimited(const Key& key, base::MonotonicTime now, double random);
  void Forget(const Key& key) { failures_.erase(key); }

  // The next key that is due; it is then being worked on until Done. nullopt: none now.
  std::optional<Key> Take(base::MonotonicTime now);
  void Done(const Key& key);

  // When the next delayed key becomes due; nullopt: none is delayed.
  std::optional<base::MonotonicTime> NextDue() const;
  // Keys that wait to be taken now; delayed ones apart.
  size_t depth() const { return ready_.size(); }

 private:
  void Wake(base::MonotonicTime now);

  std::deque<Key> ready_;     // dirty and not in work, in order of arrival
  std::set<Key> dirty_;       // to be worked on
  std::set<Key> processing_;  // being worked on; dirty ones come again after Done
  std::map<Key, base::MonotonicTime> due_;
  std::set<std::pair<base::MonotonicTime, Key>> delayed_;  // due_ by time
  std::map<Key, int> failures_;
};

}  // namespace sandgate::kube
