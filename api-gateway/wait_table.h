// Who waits for which Execution, until when, and when to look at it next. Pure: no clock, no
// thread, no I/O; waiters.h is the thread around it.
//
// An entry is either idle or being looked at (one look at a time). A wake during a look is
// remembered, so no change between reading and going back to sleep is missed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "libs/base/clock.h"
#include "libs/kube/informer.h"

namespace sandgate::gateway {

using WaitId = uint64_t;

class WaitTable {
 public:
  // Without any event, an entry is looked at this often: the watch tells changes within
  // milliseconds, this is for those that a broken watch swallowed.
  static constexpr std::chrono::seconds kRecheck{60};
  // After a look that could not be started (queue full) or failed for a reason that passes.
  static constexpr std::chrono::seconds kRetry{1};

  explicit WaitTable(size_t max_entries) : max_entries_(max_entries) {}

  // Starts in the state "being looked at": call LookEnded once what is waited for exists. nullopt
  // when the table is full.
  std::optional<WaitId> Add(const kube::Key& key, base::MonotonicTime deadline);
  // False if it was not there any more: whoever gets true has the right to answer.
  bool Remove(WaitId id);

  // Something happened to `key`: the entries to look at now (marked as being looked at).
  std::vector<WaitId> Wake(const kube::Key& key);
  // A complete list of what is not terminal: the entries whose key is not in it.
  std::vector<WaitId> WakeOthers(const std::set<kube::Key>& active);

  // The look found nothing to answer with. True: something happened meanwhile, look again now.
  bool LookEnded(WaitId id, base::MonotonicTime now);
  // The look could not be made: again after kRetry.
  void LookFailed(WaitId id, base::MonotonicTime now);

  struct Due {
    std::vector<WaitId> expired;  // removed; answer them with 202
    std::vector<WaitId> look;     // marked as being looked at
  };
  Due TakeDue(base::MonotonicTime now);
  // When TakeDue has something to do next; nullopt when nobody waits.
  std::optional<base::MonotonicTime> NextDue() const;

  std::vector<WaitId> RemoveAll();
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    kube::Key key;
    base::MonotonicTime deadline;
    base::MonotonicTime look_at;  // meaningless while looking
    bool looking = true;
    bool woken = false;  // while looking
  };

  base::MonotonicTime DueTime(const Entry& entry) const;
  void Reschedule(WaitId id, Entry* entry, base::MonotonicTime old_due);
  void Mark(WaitId id, std::vector<WaitId>* look);

  const size_t max_entries_;
  WaitId next_ = 1;
  std::map<WaitId, Entry> entries_;
  std::set<std::pair<kube::Key, WaitId>> by_key_;
  std::set<std::pair<base::MonotonicTime, WaitId>> by_time_;
};

}  // namespace sandgate::gateway
