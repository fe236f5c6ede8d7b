#include "operator/execution_logic.h"

#include "operator/execution_context.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;
using Stage = RunView::Stage;

bool Running(const ExecutionContext& c) {
  return c.status().phase == ExecutionPhase::kRunning;
}

// The claim is for a pod that its Sandbox does not have: a Sandbox never changes its pod, so this
// is another one of the same name.
ExecutionStep WhenSandboxReplaced(const ExecutionContext& c) {
  const api::Sandbox* sandbox = c.seen.sandbox;
  if (!Running(c) || sandbox == nullptr || !c.status().claim) return std::nullopt;
  if (c.status().claim->pod_uid == sandbox->status.pod_uid) return std::nullopt;
  if (c.seen.run.stage == Stage::kFinished && sandbox->status.effective) return std::nullopt;
  return End(c, ExecutionPhase::kCancelled, "SandboxDeleted",
             "The Sandbox \"" + c.spec().sandbox_name + "\" was deleted and made anew.");
}

// Before a run, a cancel ends the Execution; during one, the runner ends the run first.
ExecutionStep WhenCancelled(const ExecutionContext& c) {
  if (!c.spec().cancel && !c.execution().meta.deleting()) return std::nullopt;
  if (!Running(c)) return End(c, ExecutionPhase::kCancelled, "Cancelled", "Cancelled on request.");
  switch (c.seen.run.stage) {
    case Stage::kFinished:
      return std::nullopt;  // the result counts, whatever it is
    case Stage::kMissing:
    case Stage::kRefused:
      return End(c, ExecutionPhase::kCancelled, "Cancelled", "Cancelled before the code started.");
    case Stage::kUnknown:
    case Stage::kAsking:
    case Stage::kAccepted:
    case Stage::kUnreachable:
      break;
  }
  if (c.seen.sandbox == nullptr || c.seen.run.cancel_sent) return std::nullopt;
  // A runner that cannot be told is waited for no longer than one that says nothing.
  const auto& limits = c.seen.sandbox->status.effective;
  if (!limits || c.now >= LostAt(c, *limits)) return std::nullopt;
  if (c.seen.run.stage == Stage::kUnreachable && c.now < c.seen.run.retry_at) return std::nullopt;
  return ExecutionPlan{CancelRun{}, std::nullopt};
}

// What was let in goes on; nothing else is, and nobody is asked about it any longer.
ExecutionStep WhenPolicyRefused(const ExecutionContext& c) {
  if (!c.seen.policy_refused) return std::nullopt;
  const ExecutionPhase phase = c.status().phase.value_or(ExecutionPhase::kPending);
  if (phase != ExecutionPhase::kPending && phase != ExecutionPhase::kAwaitingApproval) {
    return std::nullopt;
  }
  return End(c, ExecutionPhase::kFailed, c.seen.policy_refused->code,
             c.seen.policy_refused->message);
}

// A Sandbox that is not there may still come, if this Execution never saw it.
ExecutionStep WhenSandboxMissing(const ExecutionContext& c) {
  if (c.seen.sandbox != nullptr && !c.seen.sandbox->meta.deleting()) return std::nullopt;
  const bool seen_before =
      c.status().admission || !c.status().approval_uid.empty() || c.seen.sandbox != nullptr;
  if (seen_before) {
    return End(c, ExecutionPhase::kCancelled, "SandboxDeleted",
               "The Sandbox \"" + c.spec().sandbox_name + "\" was deleted.");
  }
  const base::Time until = c.created() + kSandboxWait;
  if (c.now < until) return WaitFor(until);
  return End(c, ExecutionPhase::kFailed, "SandboxNotFound",
             "Sandbox not found: there is no \"" + c.spec().sandbox_name +
                 "\" in this namespace. Create one, or check the name.");
}

ExecutionStep WhenSandboxFailed(const ExecutionContext& c) {
  if (c.seen.sandbox->status.phase != api::SandboxPhase::kFailed) return std::nullopt;
  const api::Condition* ready = api::FindCondition(c.seen.sandbox->status.conditions, "Ready");
  const std::string reason = ready == nullptr ? "Unknown" : ready->reason;
  const std::string message = ready == nullptr ? "The Sandbox failed." : ready->message;
  if (!Running(c)) return End(c, ExecutionPhase::kFailed, "SandboxFailed", message);
  if (c.seen.run.stage == Stage::kFinished) return std::nullopt;
  if (reason == "OOMKilled") {
    return End(c, ExecutionPhase::kFailed, "MemoryLimitExceeded", message);
  }
  return End(c, ExecutionPhase::kLost, "SandboxLost", message);
}

}  // namespace

ExecutionPlan ReconcileExecution(const ExecutionObserved& observed, const policy::Policy& policy,
                                 const Settings& settings, base::Time now) {
  const ExecutionContext c{observed, policy, settings, now};
  if (c.status().terminal()) {
    const bool known = observed.run.stage != Stage::kUnknown;
    return {known ? ExecutionAction{ReleaseRun{}} : ExecutionAction{Wait{}}, std::nullopt};
  }
  if (const ExecutionStep step = WhenSandboxReplaced(c)) return *step;
  if (const ExecutionStep step = WhenCancelled(c)) return *step;
  if (const ExecutionStep step = WhenPolicyRefused(c)) return *step;
  if (const ExecutionStep step = WhenSandboxMissing(c)) return *step;
  if (const ExecutionStep step = WhenSandboxFailed(c)) return *step;
  switch (c.status().phase.value_or(ExecutionPhase::kPending)) {
    case ExecutionPhase::kPending:
      return Begin(c);
    case ExecutionPhase::kAwaitingApproval:
      return AwaitDecision(c);
    case ExecutionPhase::kAdmitted:
      return AwaitTurn(c);
    case ExecutionPhase::kRunning:
      return AwaitEnd(c);
    case ExecutionPhase::kSucceeded:
    case ExecutionPhase::kFailed:
    case ExecutionPhase::kTimedOut:
    case ExecutionPhase::kDenied:
    case ExecutionPhase::kExpired:
    case ExecutionPhase::kCancelled:
    case ExecutionPhase::kLost:
      break;  // terminal: handled above
  }
  return WaitFor();
}

}  // namespace sandgate::op
