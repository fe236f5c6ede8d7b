#include "operator/execution_context.h"

namespace sandgate::op {

using api::ExecutionPhase;

const char kAuditUnavailable[] =
    "The operator cannot write its audit log, so nothing is admitted: see the operator's log.";
constexpr std::chrono::seconds kAuditRetry{2};

bool ExecutionContext::SandboxReady() const {
  return seen.sandbox != nullptr && !seen.sandbox->meta.deleting() &&
         seen.sandbox->status.phase == api::SandboxPhase::kReady &&
         seen.sandbox->status.effective && !seen.sandbox->status.pod_uid.empty() &&
         !seen.sandbox->status.runner_boot_id.empty();
}

base::Result<api::EffectiveLimits> ExecutionContext::Limits() const {
  if (seen.sandbox->status.effective) return *seen.sandbox->status.effective;
  return EffectiveLimits(policy.sandbox(), seen.sandbox->spec);
}

const api::Approval* ExecutionContext::OwnApproval() const {
  const api::Approval* approval = seen.approval;
  if (approval == nullptr || approval->request.execution_uid != execution().meta.uid) {
    return nullptr;
  }
  if (!status().approval_uid.empty() && approval->meta.uid != status().approval_uid) {
    return nullptr;
  }
  return approval;
}

ExecutionPlan WaitFor(std::optional<base::Time> again_at) {
  return {Wait{}, again_at};
}

void Finish(api::ExecutionStatus* status, ExecutionPhase phase, const std::string& message,
            const ExecutionContext& c) {
  status->phase = phase;
  status->observed_generation = c.execution().meta.generation;
  status->completion_time = c.now;
  if (!status->admission) {
    api::SetCondition(&status->conditions,
                      {"Admitted", "False", PhaseName(phase), message, std::nullopt}, c.now);
  }
  api::SetCondition(&status->conditions,
                    {"Finished", "True", PhaseName(phase), message, std::nullopt}, c.now);
}

ExecutionPlan End(const ExecutionContext& c, ExecutionPhase phase, const std::string& code,
                  const std::string& message) {
  const api::Approval* approval = c.OwnApproval();
  const bool open =
      approval != nullptr && !approval->meta.deleting() &&
      approval->phase.value_or(api::ApprovalPhase::kPending) == api::ApprovalPhase::kPending;
  if (open) {
    return {SettleApproval{api::ApprovalPhase::kDenied, "The Execution ended: " + message},
            std::nullopt};
  }
  api::ExecutionStatus status = c.status();
  status.error = api::ExecutionError{code, message};
  Finish(&status, phase, message, c);
  return {WriteStatus{std::move(status)}, std::nullopt};
}

ExecutionPlan AdmitBy(const ExecutionContext& c, api::ExecutionStatus status, const char* by,
                      const std::string& hash, const std::string& policy_revision) {
  const bool first = !status.admission;
  if (first) {
    status.admission = api::Admission{hash, policy_revision, by, {}};
    if (const auto limits = c.Limits(); limits.ok()) {
      status.admission->domains = c.Domains(*limits).domains;
    }
  }
  status.observed_generation = c.execution().meta.generation;
  const std::string message =
      std::string(by) == "Auto" ? "The policy admits it by itself." : "A human approved it.";
  api::SetCondition(&status.conditions, {"Admitted", "True", by, message, std::nullopt}, c.now);
  if (!c.SandboxReady() || c.seen.load.busy || c.seen.load.behind || !NetworkReady(c)) {
    if (!first) return WaitFor();  // it is Admitted already
    status.phase = ExecutionPhase::kAdmitted;
    return {WriteStatus{std::move(status)}, std::nullopt};
  }
  // Claim now, act in the next pass: this write is the compare-and-swap that makes it one start.
  status.phase = ExecutionPhase::kRunning;
  status.start_time = c.now;
  if (api::FindCondition(status.conditions, kNetworkReadyCondition) != nullptr) {
    api::SetCondition(&status.conditions,
                      {kNetworkReadyCondition, "True", "Ready", "", std::nullopt}, c.now);
  }
  status.claim = api::Claim{c.seen.new_run_id, c.seen.sandbox->status.pod_uid,
                            c.seen.sandbox->status.runner_boot_id};
  return {WriteStatus{std::move(status)}, std::nullopt};
}

namespace {

// Shows why, then waits, looking again every `every`, and ends the Execution when it is too late.
ExecutionPlan Hold(const ExecutionContext& c, const char* code, const std::string& message,
                   base::Time until, base::Duration every) {
  if (c.now >= until) return End(c, ExecutionPhase::kFailed, code, message);
  api::ExecutionStatus status = c.status();
  const bool changed = api::SetCondition(&status.conditions,
                                         {"Admitted", "False", code, message, std::nullopt}, c.now);
  if (!changed) {
    return WaitFor(
        std::min(until, std::chrono::time_point_cast<base::Time::duration>(c.now + every)));
  }
  if (!status.phase) status.phase = ExecutionPhase::kPending;
  return {WriteStatus{std::move(status)}, std::nullopt};
}

}  // namespace

ExecutionStep HoldForGuard(const ExecutionContext& c, api::RiskLevel risk, base::Time until) {
  if (!c.seen.audit.ok()) {
    return Hold(c, "AuditUnavailable", kAuditUnavailable, until, kAuditRetry);
  }
  if (risk == api::RiskLevel::kLow || c.seen.guard.intact()) return std::nullopt;
  if (c.seen.guard.state == GuardView::State::kUnknown) {
    return WaitFor(c.now + std::chrono::seconds(1));  // soon known
  }
  const std::string message =
      "The admission policies that keep approvals honest are not in force, so nothing above LOW "
      "risk runs: " +
      c.seen.guard.problem;
  return Hold(c, "AdmissionPoliciesNotIntact", message, until, until - c.now);
}

}  // namespace sandgate::op
