// An admitted Execution: its turn in the sandbox, its one start, and its end.
#include <algorithm>

#include "operator/approval_logic.h"
#include "operator/execution_context.h"
#include "operator/file_logic.h"
#include "operator/install_logic.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;
using api::RunOutcome;
using Stage = RunView::Stage;

std::string Mebibytes(int64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

// What ran, as errors call it.
std::string NameOf(api::Operation operation) {
  if (api::IsFileOperation(operation)) return "The operation";
  return operation == api::Operation::kInstallPackage ? "The install" : "The code";
}

// How a run ended that ran to its end; *done says it in a sentence.
ExecutionPhase TakeEnd(const api::RunState& state, api::Operation operation,
                       api::ExecutionStatus* status, std::string* done) {
  if (api::IsFileOperation(operation)) {
    *done = "The operation is done.";
    return TakeFileResult(state, status);
  }
  if (operation == api::Operation::kInstallPackage) {
    *done = "The package is installed.";
    return TakeInstallResult(state, status);
  }
  *done = "The code exited with " + std::to_string(state.exit_code) + ".";
  return state.exit_code == 0 ? ExecutionPhase::kSucceeded : ExecutionPhase::kFailed;
}

// The runner's outcome in the words of the Execution's status.
ExecutionPlan Result(const ExecutionContext& c, const api::EffectiveLimits& limits) {
  const std::shared_ptr<const api::RunState>& state = c.seen.run.state;
  api::ExecutionStatus status = c.status();
  ExecutionPhase phase = ExecutionPhase::kFailed;
  const std::string what = NameOf(c.spec().operation);
  std::string message;
  status.exit_code = state->exit_code;
  status.execution_time_millis = state->duration_millis;
  switch (state->outcome) {
    case RunOutcome::kExited:
      phase = TakeEnd(*state, c.spec().operation, &status, &message);
      break;
    case RunOutcome::kTimedOut:
      phase = ExecutionPhase::kTimedOut;
      status.exit_code = -1;
      status.error = {"TimeoutError", what + " was ended after " +
                                          std::to_string(TimeoutSeconds(c.spec(), limits)) +
                                          " s. Ask for a longer timeout, or less work."};
      break;
    case RunOutcome::kMemoryExceeded:
      // The runner says what it was: pages, files or the sandbox kernel's own objects.
      status.error = {"MemoryLimitExceeded",
                      what + " used more memory than one run may have (" +
                          Mebibytes(limits.memory_bytes) + ") and was ended" +
                          (state->error_message.empty() ? "" : ": " + state->error_message) +
                          ". The sandbox and its files are still there."};
      break;
    case RunOutcome::kCancelled:
      phase = ExecutionPhase::kCancelled;
      status.error = {"Cancelled", "Cancelled on request."};
      break;
    case RunOutcome::kRefused:
      status.exit_code.reset();
      status.error = {"RunRefused", what + " could not be started: " + state->error_message};
      break;
  }
  if (status.error) message = status.error->message;
  Finish(&status, phase, message, c);
  return {StoreResult{std::move(status), state}, std::nullopt};
}

// A run that was granted network starts with it, and before its time is over, or not at all. One
// that may have started already is asked after first.
ExecutionStep WhenNetworkMissing(const ExecutionContext& c, const api::EffectiveLimits& limits) {
  if (!WantsNetwork(c.spec()) || !c.status().admission) return std::nullopt;
  const base::Time deadline =
      RunDeadline(c.status().start_time.value_or(c.created()), c.spec(), limits);
  const bool ready = NetworkReady(c);
  // By a policy that changed since, perhaps: Admit says so, of a run that has not started.
  const bool same = c.Domains(limits).domains == c.status().admission->domains;
  if (ready && c.now < deadline && (same || c.seen.run.stage == Stage::kMissing)) {
    return std::nullopt;
  }
  if (c.seen.run.stage != Stage::kMissing) return ExecutionPlan{FollowRun{}, std::nullopt};
  const ExecutionStep hold = ready ? std::nullopt : HoldForNetwork(c);
  if (!hold || c.now >= deadline) {
    return End(c, ExecutionPhase::kFailed, "NetworkUnavailable",
               "It was not started: there was no network for it before its time was over. " +
                   c.seen.egress.problem);
  }
  return hold;
}

ExecutionPlan Start(const ExecutionContext& c, const api::EffectiveLimits& limits) {
  if (c.spec().cancel || c.execution().meta.deleting()) return {FollowRun{}, std::nullopt};
  if (ExecutionStep step = WhenNetworkMissing(c, limits)) return *std::move(step);
  auto admitted = Admit(c.execution(), *c.seen.sandbox, c.policy.sandbox());
  if (!admitted.ok()) {
    return End(c, ExecutionPhase::kFailed, "AdmissionMismatch",
               "It was not started: " + admitted.status().message() + ".");
  }
  // The risk is judged anew: what stands in the status is not trusted when the rules that protect
  // it are gone. A run that was started before is followed all the same.
  const api::RiskLevel risk = c.Assess().risk;
  // Whether it was started is not known: then it is not said to be.
  if (!c.seen.audit.ok() && c.seen.run.stage != Stage::kMissing) {
    return {FollowRun{}, std::nullopt};
  }
  if (!c.seen.audit.ok()) {
    return End(c, ExecutionPhase::kFailed, "AuditUnavailable",
               std::string("It was not started. ") + kAuditUnavailable);
  }
  const bool held = risk != api::RiskLevel::kLow && !c.seen.guard.intact();
  if (held && c.seen.run.stage == Stage::kUnknown) return {FollowRun{}, std::nullopt};
  if (held) {
    return End(c, ExecutionPhase::kFailed, "AdmissionPoliciesNotIntact",
               "It was not started: the admission policies that keep approvals honest are not in "
               "force. " +
                   c.seen.guard.problem);
  }
  return {StartRun{std::move(admitted).value()}, std::nullopt};
}

// It was approved, and then others had their turn before it. Where the policy voids an approval for
// that, one that is gone cannot be trusted either.
ExecutionStep WhenChangedWhileWaiting(const ExecutionContext& c) {
  if (c.status().admission->by != "Approval" || !c.policy.void_on_workspace_change()) {
    return std::nullopt;
  }
  const api::Approval* approval = c.OwnApproval();
  if (approval != nullptr) return WhenWorkspaceChanged(c, *approval);
  return End(c, ExecutionPhase::kDenied, "ApprovalDeleted",
             "The Approval was deleted, so it cannot be told whether the workspace changed since.");
}

}  // namespace

base::Time LostAt(const ExecutionContext& c, const api::EffectiveLimits& limits) {
  return RunDeadline(c.status().start_time.value_or(c.created()), c.spec(), limits) + kRunGrace;
}

ExecutionPlan AwaitTurn(const ExecutionContext& c) {
  if (!c.status().admission) {
    return End(c, ExecutionPhase::kFailed, "AdmissionMismatch", "It was never admitted.");
  }
  const api::Admission& admission = *c.status().admission;
  if (!c.SandboxReady()) return WaitFor();  // its own deadline ends it, and this with it
  if (c.Hash(*c.seen.sandbox->status.effective, admission.policy_revision) != admission.spec_hash) {
    return End(c, ExecutionPhase::kFailed, "AdmissionMismatch",
               "What would run is not what was admitted: the Sandbox, its limits or the policy's "
               "registries changed.");
  }
  if (const ExecutionStep step = WhenChangedWhileWaiting(c)) return *step;
  const base::Time until = c.created() + c.settings.ready_deadline;
  if (const ExecutionStep hold = HoldForGuard(c, c.Assess().risk, until)) return *hold;
  const bool turn = !c.seen.load.busy && !c.seen.load.behind;
  if (const ExecutionStep hold = turn ? HoldForNetwork(c) : std::nullopt) return *hold;
  return AdmitBy(c, c.status(), admission.by.c_str(), admission.spec_hash,
                 admission.policy_revision);
}

ExecutionPlan AwaitEnd(const ExecutionContext& c) {
  const api::Sandbox& sandbox = *c.seen.sandbox;
  if (!c.status().claim || !sandbox.status.effective) {
    return End(c, ExecutionPhase::kFailed, "AdmissionMismatch", "It has no claim.");
  }
  const api::EffectiveLimits& limits = *sandbox.status.effective;
  const RunView& run = c.seen.run;
  if (run.stage == Stage::kFinished) return Result(c, limits);
  if (c.status().claim->pod_uid != sandbox.status.pod_uid) {
    return End(c, ExecutionPhase::kLost, "SandboxLost", "The sandbox's pod was replaced.");
  }
  const base::Time lost_at = LostAt(c, limits);
  if (c.now >= lost_at) {
    return End(c, ExecutionPhase::kLost, "RunnerUnresponsive",
               "The sandbox's runner did not say how the code ended. " + run.problem);
  }
  switch (run.stage) {
    case Stage::kUnknown:
    case Stage::kMissing:
      return Start(c, limits);
    case Stage::kAsking:
      return WaitFor(lost_at);
    case Stage::kAccepted:
      return {FollowRun{}, lost_at};
    case Stage::kRefused:
      return End(c, ExecutionPhase::kLost, "RunLost", run.problem);
    case Stage::kUnreachable:
      if (c.now < run.retry_at) return WaitFor(std::min(run.retry_at, lost_at));
      // Whether it was started is not known; asking to start it again is safe, it starts once.
      return Start(c, limits);
    case Stage::kFinished:
      break;
  }
  return WaitFor(lost_at);
}

}  // namespace sandgate::op
