// Since when this process knows that an Approval is Approved. A write that is sent in time may be
// carried out long after: only the moment at which its success is known (our own write has
// returned, or a read has shown it) proves that it was carried out before. A process that dies in
// between takes this knowledge with it, and the next one counts from its own first look: that can
// only be later, so a late approval never becomes one in time (invariant I5).
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "libs/base/clock.h"
#include "libs/kube/informer.h"

namespace sandgate::op {

// Thread-safe. One entry for each Execution, until Forget.
class ApprovedSince {
 public:
  // The Approval of that UID is known to be Approved at `at`; returns since when it is.
  base::Time Note(const kube::Key& execution, const std::string& approval_uid, base::Time at) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& [uid, since] = known_[execution];
    if (uid != approval_uid) {
      uid = approval_uid;
      since = at;
    }
    return since;
  }

  void Forget(const kube::Key& execution) {
    const std::lock_guard<std::mutex> lock(mutex_);
    known_.erase(execution);
  }

 private:
  std::mutex mutex_;
  std::map<kube::Key, std::pair<std::string, base::Time>> known_;  // guarded by mutex_
};

}  // namespace sandgate::op
