#include "operator/execution_trail.h"

#include "libs/base/log.h"
#include "operator/audit_records.h"

namespace sandgate::op {
namespace {

// "" while nobody can know: no Sandbox, limits that are refused, domains that are not settled.
std::string HashOf(const ExecutionObserved& seen, const std::string& policy_revision) {
  const api::ExecutionStatus& status = seen.execution->status;
  if (status.admission) return status.admission->spec_hash;
  if (seen.approval != nullptr &&
      seen.approval->request.execution_uid == seen.execution->meta.uid) {
    return seen.approval->request.spec_hash;
  }
  if (seen.sandbox == nullptr || !seen.sandbox->status.effective) return "";
  if (WantsNetwork(seen.execution->spec)) return "";  // its domains are settled by the admission
  return AdmissionHash(*seen.execution, *seen.sandbox, *seen.sandbox->status.effective, {},
                       policy_revision);
}

bool SaysSomething(const ExecutionAction& action) {
  return !std::holds_alternative<Wait>(action) && !std::holds_alternative<FollowRun>(action) &&
         !std::holds_alternative<CancelRun>(action) && !std::holds_alternative<ReleaseRun>(action);
}

}  // namespace

base::Status ExecutionTrail::Say(const audit::Record& record) {
  base::Status status = sink_.Append(record);
  if (!status.ok()) {
    base::LogError("audit: a record is not written",
                   {{"event", record.event}, {"error", status.message()}});
  }
  return status;
}

ExecutionTrail::Entry* ExecutionTrail::Find(const kube::Key& key, const ExecutionObserved& seen,
                                            const std::string& policy_revision) {
  Entry& entry = entries_[key];
  if (entry.uid != seen.execution->meta.uid) {
    if (!entry.uid.empty() && !entry.ended) (void)Say(GoneRecord(entry.subject));
    entry = Entry{};
    entry.uid = seen.execution->meta.uid;
  }
  entry.subject = SubjectOf(*seen.execution, seen.sandbox, HashOf(seen, policy_revision));
  return &entry;
}

base::Status ExecutionTrail::Before(const kube::Key& key, const ExecutionObserved& seen,
                                    const ExecutionAction& action,
                                    const std::string& policy_revision) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = entries_.find(key);
  const bool here = known != entries_.end() && known->second.uid == seen.execution->meta.uid;
  if (here && !SaysSomething(action)) return base::Status::Ok();
  Entry* entry = Find(key, seen, policy_revision);
  const auto phase = seen.execution->status.phase.value_or(api::ExecutionPhase::kPending);
  if (phase == api::ExecutionPhase::kPending && !entry->requested) {
    entry->requested = Say(RequestRecord(entry->subject, seen.execution->spec)).ok();
  }
  if (const auto* create = std::get_if<CreateApproval>(&action)) {
    entry->subject["specHash"] = create->request.spec_hash;
    Judge(entry, policy_revision, create->request.risk, create->request.reasons,
          create->request.expires_at);
  }
  if (const auto* write = std::get_if<WriteStatus>(&action)) {
    return BeforeWrite(entry, seen, write->status, policy_revision);
  }
  if (const auto* start = std::get_if<StartRun>(&action)) {
    const api::Claim& claim = start->admitted.claim();
    if (entry->started == claim.run_id) return base::Status::Ok();
    base::Status said = Say(StartRecord(entry->subject, claim, start->admitted.domains()));
    if (said.ok()) entry->started = claim.run_id;
    return said.WithContext("audit: the run does not start without its record");
  }
  return base::Status::Ok();
}

base::Status ExecutionTrail::BeforeWrite(Entry* entry, const ExecutionObserved& seen,
                                         const api::ExecutionStatus& status,
                                         const std::string& policy_revision) {
  const api::ExecutionStatus& before = seen.execution->status;
  // The second: what a log that was broken did not take.
  const bool admits = status.admission && !before.admission;
  const bool unsaid =
      admits && entry->judged.empty() &&
      before.phase.value_or(api::ExecutionPhase::kPending) == api::ExecutionPhase::kPending;
  if (admits) entry->subject["specHash"] = status.admission->spec_hash;
  if (status.risk && (!before.risk || unsaid)) {
    std::optional<base::Time> expires_at;
    if (status.phase == api::ExecutionPhase::kAwaitingApproval && seen.approval != nullptr) {
      expires_at = seen.approval->request.expires_at;
    }
    Judge(entry, policy_revision, *status.risk, status.risk_reasons, expires_at);
  }
  // Settled by a process that died before it could say so.
  auto settled = api::ApprovalPhase::kPending;
  if (seen.approval != nullptr) settled = seen.approval->phase.value_or(settled);
  if (before.phase == api::ExecutionPhase::kAwaitingApproval && !entry->decided &&
      settled != api::ApprovalPhase::kPending) {
    base::Status said =
        Say(DecisionRecord(entry->subject, *seen.approval, settled, seen.approval->message));
    entry->decided = said.ok();
    if (!said.ok() && status.admission) return said;
  }
  if (!admits) return base::Status::Ok();
  const bool human = before.phase == api::ExecutionPhase::kAwaitingApproval;
  return Say(AdmissionRecord(entry->subject, status, human ? seen.approval : nullptr))
      .WithContext("audit: nothing is admitted without its record");
}

void ExecutionTrail::Judge(Entry* entry, const std::string& policy_revision, api::RiskLevel risk,
                           const std::vector<std::string>& reasons,
                           std::optional<base::Time> expires_at) {
  if (entry->judged == policy_revision) return;
  const Judgement judgement{risk, reasons, policy_revision, expires_at};
  if (Say(JudgementRecord(entry->subject, judgement)).ok()) entry->judged = policy_revision;
}

void ExecutionTrail::Settled(const kube::Key& key, const api::Approval& approval,
                             const SettleApproval& settle) {
  if (settle.phase == api::ApprovalPhase::kPending) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  Entry& entry = entries_[key];
  entry.decided = Say(DecisionRecord(entry.subject, approval, settle.phase, settle.message)).ok();
}

void ExecutionTrail::Wrote(const kube::Key& key, const api::ExecutionStatus& status) {
  if (!status.terminal()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  Entry& entry = entries_[key];
  entry.ended = true;
  (void)Say(EndRecord(entry.subject, status));
}

void ExecutionTrail::WriteFailed(const kube::Key& key, const api::Execution& before,
                                 const api::ExecutionStatus& status, const base::Status& why) {
  if (!status.admission || before.status.admission) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  (void)Say(AdmissionFailedRecord(entries_[key].subject, why));
}

std::optional<std::string> ExecutionTrail::Open(const kube::Key& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end() || entry->second.ended) return std::nullopt;
  return entry->second.uid;
}

void ExecutionTrail::Close(const kube::Key& key, const std::optional<api::ExecutionStatus>& last) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return;
  if (!entry->second.ended) {
    const api::Json& subject = entry->second.subject;
    (void)Say(last ? EndRecord(subject, *last) : GoneRecord(subject));
  }
  entries_.erase(entry);
}

}  // namespace sandgate::op
