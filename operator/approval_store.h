// The Approvals in the API server: found, asked, settled, noted. Every write is one
// compare-and-swap, and what it left is known to the caches before the call returns.
#pragma once

#include <functional>

#include "operator/approved_since.h"
#include "operator/execution_logic.h"
#include "operator/sandbox_controller.h"

namespace sandgate::op {

// What is worth telling of an Approval. Called on worker threads.
struct ApprovalObserver {
  std::function<void(api::ApprovalPhase phase, std::chrono::seconds waited)> settled;
  // It became Pending, or was settled: written, so it is so. Optional.
  std::function<void(const Caches::ApprovalPtr& approval)> approval = nullptr;
};

// Thread-safe; one caller an Execution at a time. `parts` outlives it.
class ApprovalStore {
 public:
  ApprovalStore(const ControllerParts& parts, ApprovalObserver observer);

  // The Approval of an Execution, or null. Once its UID is recorded, "there is none" is only
  // believed from the API server itself: a cache that is behind would deny what a human approved.
  base::Result<Caches::ApprovalPtr> Find(const kube::Key& key, const api::Execution& execution);
  // Since when this process knows that it is Approved; nothing for any other phase.
  std::optional<base::Time> ApprovedSince(const kube::Key& key, const api::Approval* approval,
                                          base::Time now);

  // Creates it. One of that name that exists already is taken as it is: whose it is, the logic
  // tells by the UID in it.
  base::Status Ask(const kube::Key& key, const api::Execution& execution,
                   const api::ApprovalRequest& request);
  // Makes it Pending, or settles it. kConflict: it changed, or is gone, and the next pass sees.
  base::Status Settle(const kube::Key& key, const api::Approval& approval,
                      const SettleApproval& settle);
  // Tells the approver that the workspace changed.
  base::Status Note(const kube::Key& key, const api::Approval& approval, const NoteChange& note);
  // The Execution is over, or gone.
  void Forget(const kube::Key& key);

 private:
  // What the API server answered to a write, from now on known here.
  base::Result<Caches::ApprovalPtr> Remember(const kube::Key& key, const api::Json& written);

  const ControllerParts& parts_;
  ApprovalObserver observer_;
  op::ApprovedSince since_;
};

}  // namespace sandgate::op
