#include "operator/approval_logic.h"

namespace sandgate::op {
namespace {

using api::ApprovalPhase;
using api::ExecutionPhase;

// Settles the Approval; a decision is never made twice.
ExecutionPlan Settle(ApprovalPhase phase, std::string message = "") {
  return {SettleApproval{phase, std::move(message)}, std::nullopt};
}

ExecutionPlan Denied(const ExecutionContext& c, const api::Approval& approval) {
  std::string message = approval.message;
  if (message.empty() && approval.decision) {
    message = "Denied by " + approval.decision->decided_by;
    if (!approval.decision->reason.empty()) message += ": " + approval.decision->reason;
  }
  if (message.empty()) message = "Denied.";
  return End(c, ExecutionPhase::kDenied, "ApprovalDenied", message);
}

// Still open: a decision counts only if it gets here before the deadline, by this clock.
ExecutionPlan WhilePending(const ExecutionContext& c, const api::Approval& approval) {
  if (c.now >= approval.request.expires_at) {
    return Settle(ApprovalPhase::kExpired, "Nobody decided in time.");
  }
  if (const auto why = WhyVoid(c, approval)) return Settle(ApprovalPhase::kDenied, *why);
  if (const ExecutionStep step = WhenWorkspaceChanged(c, approval)) return *step;
  if (!approval.decision) return WaitFor(approval.request.expires_at);
  if (approval.decision->verdict == api::Verdict::kDenied) return Settle(ApprovalPhase::kDenied);
  if (const auto why = WhyNotTheirs(c.execution(), approval)) {
    return Settle(ApprovalPhase::kDenied, *why);
  }
  if (const ExecutionStep hold =
          HoldForGuard(c, approval.request.risk, approval.request.expires_at)) {
    return *hold;
  }
  return Settle(ApprovalPhase::kApproved);
}

ExecutionPlan AfterApproval(const ExecutionContext& c, const api::Approval& approval) {
  if (approval.meta.deleting()) {
    return End(c, ExecutionPhase::kDenied, "ApprovalDeleted", "The Approval was deleted.");
  }
  // Approved counts from the moment at which that was known, never from when it was sent.
  if (c.seen.approved_since.value_or(c.now) >= approval.request.expires_at) {
    return End(c, ExecutionPhase::kExpired, "ApprovalExpired",
               "It was approved, but that was not taken up before the deadline, so it does not "
               "count. Submit the Execution again.");
  }
  auto why = WhyVoid(c, approval);
  if (!why) why = WhyNotTheirs(c.execution(), approval);
  if (why) return End(c, ExecutionPhase::kDenied, "ApprovalVoid", *why);
  if (const ExecutionStep step = WhenWorkspaceChanged(c, approval)) return *step;
  const base::Time until = approval.request.expires_at + kSandboxWait;
  if (const ExecutionStep hold = HoldForGuard(c, approval.request.risk, until)) return *hold;
  return AdmitBy(c, c.status(), "Approval", approval.request.spec_hash,
                 approval.request.policy_revision);
}

}  // namespace

std::optional<std::string> WhyVoid(const ExecutionContext& c, const api::Approval& approval) {
  const api::ApprovalRequest& request = approval.request;
  if (request.sandbox_uid != c.seen.sandbox->meta.uid) {
    return "The Sandbox was replaced by another one of the same name.";
  }
  if (request.policy_revision != c.policy.revision()) {
    return "The policy changed since the question was asked. Submit the Execution again.";
  }
  const auto limits = c.Limits();
  if (!limits.ok()) return limits.status().message();
  if (request.spec_hash != c.Hash(*limits, request.policy_revision)) {
    return "What would run is not what was asked about.";
  }
  return std::nullopt;
}

std::optional<std::string> WhyNotTheirs(const api::Execution& execution,
                                        const api::Approval& approval) {
  const auto& decision = approval.decision;
  if (!decision || decision->verdict != api::Verdict::kApproved) return "Nobody approved it.";
  if (decision->decided_by.empty()) return "It is not known who decided.";
  if (decision->decided_by == execution.spec.requester.username ||
      decision->decided_by == approval.request.requester) {
    return "The requester may not decide.";
  }
  return std::nullopt;
}

ExecutionStep WhenWorkspaceChanged(const ExecutionContext& c, const api::Approval& approval) {
  const bool open = approval.phase == ApprovalPhase::kPending;
  const bool voids = c.policy.void_on_workspace_change();
  if (!voids && (!open || approval.workspace_changed)) return std::nullopt;
  if (!c.seen.history) return ExecutionPlan{ReadHistory{}, std::nullopt};
  const auto run = ChangedSince(approval.request.summary, *c.seen.history);
  if (!run) return std::nullopt;
  const std::string message = ChangeText(*run);
  if (open && !approval.workspace_changed) return ExecutionPlan{NoteChange{message}, std::nullopt};
  if (open) return Settle(ApprovalPhase::kDenied, message);
  return End(c, ExecutionPhase::kDenied, "ApprovalVoid", message);
}

ExecutionPlan AwaitDecision(const ExecutionContext& c) {
  const api::Approval* approval = c.OwnApproval();
  if (approval == nullptr) {
    return End(c, ExecutionPhase::kDenied, "ApprovalDeleted",
               "The Approval was deleted; it is not asked again.");
  }
  if (!approval->phase) {
    const bool late = c.now >= approval->request.expires_at;
    return late ? Settle(ApprovalPhase::kExpired, "Nobody decided in time.")
                : Settle(ApprovalPhase::kPending);
  }
  switch (*approval->phase) {
    case ApprovalPhase::kPending:
      return WhilePending(c, *approval);
    case ApprovalPhase::kApproved:
      return AfterApproval(c, *approval);
    case ApprovalPhase::kDenied:
      return Denied(c, *approval);
    case ApprovalPhase::kExpired:
      return End(c, ExecutionPhase::kExpired, "ApprovalExpired",
                 "Nobody decided in time, so it was denied.");
  }
  return WaitFor();
}

}  // namespace sandgate::op
