// A new Execution: may it be here at all, how risky is it, and who has to be asked?
#include <algorithm>

#include "operator/approval_request.h"
#include "operator/execution_context.h"
#include "operator/file_logic.h"
#include "operator/install_logic.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;

// In the order in which a caller would want to hear of them.
std::optional<Refusal> RefusedAtOnce(const ExecutionContext& c) {
  if (!c.policy.sandbox().enabled) {
    return Refusal{"SandboxesDisabled",
                   "Code execution is switched off here (security.sandbox.enabled)."};
  }
  const api::SandboxSpec& sandbox = c.seen.sandbox->spec;
  if (!sandbox.shared && !(sandbox.requester == c.spec().requester)) {
    return Refusal{"SandboxNotYours",
                   "Only its requester may run code in this Sandbox: it is not shared."};
  }
  const auto limits = c.Limits();
  if (!limits.ok()) return Refusal{"SandboxInvalid", limits.status().message()};
  const auto timeout = policy::EffectiveTimeout(c.policy.sandbox(), *limits, c.spec());
  if (!timeout.ok()) return Refusal{"InvalidTimeout", timeout.status().message()};
  if (const auto error = WhyNoFileOperation(c.spec())) {
    return Refusal{api::FileErrorName(error->code), error->message};
  }
  if (c.spec().operation != api::Operation::kInstallPackage) return std::nullopt;
  return RefusedInstall(c.spec(), sandbox, *limits, c.policy.sandbox());
}

// Known before a human is asked, so that nobody is asked in vain.
std::optional<Refusal> RefusedByLoad(const ExecutionContext& c) {
  const Load& load = c.seen.load;
  if (load.active_in_namespace > c.settings.active_executions) {
    return Refusal{"TooManyExecutions",
                   "This namespace has " + std::to_string(load.active_in_namespace) +
                       " unfinished Executions, more than it may. Try again later."};
  }
  if (load.queued_in_sandbox >= c.settings.queue_per_sandbox) {
    return Refusal{"QueueFull", "The Sandbox has " + std::to_string(load.queued_in_sandbox) +
                                    " unfinished Executions already. Try again later."};
  }
  return std::nullopt;
}

ExecutionPlan AskHuman(const ExecutionContext& c, const api::ExecutionStatus& judged,
                       const policy::Assessment& assessment, const api::EffectiveLimits& limits) {
  if (c.seen.approval == nullptr) {
    if (c.seen.load.open_approvals >= c.settings.open_approvals_per_requester) {
      return End(c, ExecutionPhase::kFailed, "TooManyOpenApprovals",
                 "You wait for " + std::to_string(c.seen.load.open_approvals) +
                     " approvals already. Try again when some are decided.");
    }
    if (!c.seen.history) return {ReadHistory{}, std::nullopt};
    return {CreateApproval{BuildRequest(c, assessment, limits, *c.seen.history)}, std::nullopt};
  }
  if (c.OwnApproval() == nullptr) {
    // A namesake's, on its way out with its Execution.
    const base::Time until = c.created() + kApprovalNameWait;
    if (c.now < until) return WaitFor(std::min(until, c.now + std::chrono::seconds(2)));
    return End(c, ExecutionPhase::kFailed, "ApprovalNameTaken",
               "Another Approval has this Execution's name. Use another name.");
  }
  api::ExecutionStatus status = judged;
  status.phase = ExecutionPhase::kAwaitingApproval;
  status.approval_name = c.seen.approval->meta.name;
  status.approval_uid = c.seen.approval->meta.uid;
  api::SetCondition(&status.conditions,
                    {"Admitted", "False", "AwaitingApproval",
                     "Waits for a human: see the Approval of the same name.", std::nullopt},
                    c.now);
  return {WriteStatus{std::move(status)}, std::nullopt};
}

ExecutionPlan EndAs(ExecutionContext c, const Refusal& refusal) {
  return End(c, ExecutionPhase::kFailed, refusal.code, refusal.message);
}

}  // namespace

ExecutionPlan Begin(const ExecutionContext& c) {
  if (const auto refusal = RefusedAtOnce(c)) return EndAs(c, *refusal);
  const policy::Assessment assessment = c.Assess();
  api::Execution judged = *c.seen.execution;
  judged.status.risk = assessment.risk;
  judged.status.risk_reasons = assessment.reasons;
  judged.status.observed_generation = judged.meta.generation;
  ExecutionObserved seen = c.seen;
  seen.execution = &judged;
  const ExecutionContext with_risk{seen, c.policy, c.settings, c.now};
  if (const auto refusal = RefusedNetwork(with_risk)) return EndAs(with_risk, *refusal);
  if (c.seen.approval == nullptr) {
    if (const auto refusal = RefusedByLoad(with_risk)) return EndAs(with_risk, *refusal);
  }
  const base::Time until = c.created() + std::max(assessment.timeout, kSandboxWait);
  if (const ExecutionStep hold = HoldForGuard(with_risk, assessment.risk, until)) return *hold;
  if (c.seen.egress.state == EgressView::State::kNotYet) {
    if (const ExecutionStep hold = HoldForNetwork(with_risk)) return *hold;
  }
  const api::EffectiveLimits limits = *c.Limits();
  if (assessment.needs_approval) return AskHuman(with_risk, judged.status, assessment, limits);
  const std::string& revision = c.policy.revision();
  return AdmitBy(with_risk, judged.status, "Auto", c.Hash(limits, revision), revision);
}

}  // namespace sandgate::op
