// The work queue of a controller: keys, never objects.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libs/base/clock.h"
#include "libs/kube/key.h"

namespace sandgate::kube {

// A key is handed to one worker at a time; a key added while it is worked on comes again after
// Done; a key added twice before it is taken comes once (client-go's dirty and processing sets).
// Thread-safe.
class WorkQueue {
 public:
  explicit WorkQueue(const base::Clock& clock = base::RealClock());
  ~WorkQueue();

  void Add(const Key& key);
  // Not before `delay` has passed; of two delays of the same key the earlier one counts. An Add
  // meanwhile hands the key out at once and leaves the delayed one standing.
  void AddAfter(const Key& key, base::Duration delay);
  // After an exponential delay per key: 5 ms doubling to 60 s, with 10 % jitter.
  void AddRateLimited(const Key& key);
  // Success: the key's failures are forgotten.
  void Forget(const Key& key);

  // Blocks until a key is due; nullopt after ShutDown.
  std::optional<Key> Get();
  // The same without blocking: nullopt when no key is due now. For simulators.
  std::optional<Key> TryGet();
  void Done(const Key& key);
  void ShutDown();
  size_t depth() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::kube
