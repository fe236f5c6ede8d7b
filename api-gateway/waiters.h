// The calls that wait: WaitTable with its thread. A waiting call is an entry here, never a thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "api-gateway/pending_call.h"
#include "api-gateway/wait_table.h"

namespace sandgate::gateway {

using PendingPtr = std::shared_ptr<PendingCall>;

// Thread-safe. The callbacks run on this class's own thread or on the one that calls Wake; they
// must not block.
class Waiters {
 public:
  struct Callbacks {
    std::function<bool(WaitId)> look;         // queues a look; false: it could not
    std::function<void(PendingPtr)> expired;  // its time is over; it is no entry any more
  };

  Waiters(size_t max_entries, Callbacks callbacks, const base::Clock& clock);
  ~Waiters();

  // As WaitTable::Add: no look before LookEnded.
  std::optional<WaitId> Add(const kube::Key& key, PendingPtr call, std::chrono::seconds wait);
  // nullptr when it has been answered or is gone.
  PendingPtr Find(WaitId id) const;
  // Whoever gets the call has to answer it; nullptr when somebody else has it.
  PendingPtr Take(WaitId id);

  void Wake(const kube::Key& key);
  void WakeOthers(const std::set<kube::Key>& active);
  bool LookEnded(WaitId id);
  void LookFailed(WaitId id);

  size_t size() const;
  // No more callbacks after it returns; gives back who still waits.
  std::vector<PendingPtr> Stop();

 private:
  void Run();
  void Look(const std::vector<WaitId>& ids);

  const Callbacks callbacks_;
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  WaitTable table_;                     // guarded by mutex_
  std::map<WaitId, PendingPtr> calls_;  // guarded by mutex_
  bool stopping_ = false;               // guarded by mutex_
  std::thread thread_;
};

}  // namespace sandgate::gateway
