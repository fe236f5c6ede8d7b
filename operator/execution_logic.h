// What to do next about one Execution. Pure: no I/O, no clock; one action a pass. The order of the
// writes is what makes a crash between any two of them harmless (docs/design.md, sections 3 and 8).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "libs/api/approval.h"
#include "libs/api/execution.h"
#include "libs/api/runner_protocol.h"
#include "libs/api/sandbox.h"
#include "libs/policy/policy.h"
#include "operator/admission.h"
#include "operator/network_logic.h"
#include "operator/refusal.h"
#include "operator/sandbox_history.h"
#include "operator/sandbox_logic.h"
#include "operator/settings.h"

namespace sandgate::op {

// What this process knows of the run that the claim names.
struct RunView {
  enum class Stage {
    kUnknown,      // the runner was not asked yet by this process
    kAsking,       // a call is under way; its end puts the Execution back on the queue
    kAccepted,     // the runner has it: ask for its end
    kMissing,      // the runner does not know it
    kRefused,      // the runner will never run it: another boot, or a request it does not take
    kUnreachable,  // no answer; ask again at retry_at
    kFinished,
  };
  Stage stage = Stage::kUnknown;
  std::shared_ptr<const api::RunState> state;  // of kFinished
  std::string problem;
  base::Time retry_at;
  bool cancel_sent = false;
};

// What others ask of the operator at the same time.
struct Load {
  size_t active_in_namespace = 0;  // Executions that are not finished, this one too
  size_t open_approvals = 0;       // of this requester
  size_t queued_in_sandbox = 0;    // not finished, this one not counted
  bool busy = false;               // another Execution holds a claim in this sandbox
  // Other open questions of this requester that ask for exactly the same, sorted by name.
  std::vector<std::string> identical;
  bool behind = false;  // an admitted one came before this
};

struct ExecutionObserved {
  const api::Execution* execution = nullptr;
  const api::Sandbox* sandbox = nullptr;  // null: there is none of that name
  // null: there is none. When the Execution's status names one, "none" is the API server's own
  // answer and never a cache's.
  const api::Approval* approval = nullptr;
  // Since when this process knows it to be Approved (operator/approved_since.h).
  std::optional<base::Time> approved_since;
  // What ran in the sandbox's pod; nullopt: not known, ask by ReadHistory.
  std::optional<SandboxHistory> history;
  RunView run;
  GuardView guard;
  base::Status audit;  // why a record would not get into the audit log now, or ok
  EgressView egress;   // looked at only for runs that want network
  Load load;
  // No policy can be told for this namespace: nothing is let in.
  std::optional<Refusal> policy_refused;
  std::string new_run_id;  // to claim with, if it comes to that
};

struct Wait {};  // nothing, until something changes
struct CreateApproval {
  api::ApprovalRequest request;
};
// Moves the Approval's phase by compare-and-swap.
struct SettleApproval {
  api::ApprovalPhase phase = api::ApprovalPhase::kDenied;
  std::string message;  // "" when the phase says it all
};
// Shows in the Approval's status that the workspace changed.
struct NoteChange {
  std::string message;
};
struct ReadHistory {};  // of the sandbox: then decide again
struct WriteStatus {
  api::ExecutionStatus status;
};
struct StartRun {
  Admitted admitted;
};
struct FollowRun {};  // asks the runner for the end of the run
struct CancelRun {};
// Stores the streams, then writes `status` with them: the end of the Execution.
struct StoreResult {
  api::ExecutionStatus status;
  std::shared_ptr<const api::RunState> state;
};
struct ReleaseRun {};  // the result is stored: the runner may forget it

using ExecutionAction =
    std::variant<Wait, CreateApproval, SettleApproval, NoteChange, ReadHistory, WriteStatus,
                 StartRun, FollowRun, CancelRun, StoreResult, ReleaseRun>;

struct ExecutionPlan {
  ExecutionAction action;
  std::optional<base::Time> again_at;  // look again then, even if nothing changes
};

ExecutionPlan ReconcileExecution(const ExecutionObserved& observed, const policy::Policy& policy,
                                 const Settings& settings, base::Time now);

}  // namespace sandgate::op
