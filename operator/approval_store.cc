#include "operator/approval_store.h"

#include <algorithm>

#include "libs/base/log.h"
#include "operator/apply.h"

namespace sandgate::op {
namespace {

using base::Code;
using base::Status;

api::Json ApprovalJson(const api::Execution& execution, const api::ApprovalRequest& request) {
  const api::OwnerReference owner{api::kApiVersion, "Execution", execution.meta.name,
                                  execution.meta.uid, true};
  return {{"apiVersion", api::kApiVersion},
          {"kind", "Approval"},
          {"metadata",
           {{"namespace", execution.meta.ns},
            {"name", execution.meta.name},
            {"ownerReferences", api::Json::array({api::OwnerToJson(owner)})}}},
          {"spec", {{"request", api::ToJson(request)}}}};
}

}  // namespace

ApprovalStore::ApprovalStore(const ControllerParts& parts, ApprovalObserver observer)
    : parts_(parts), observer_(std::move(observer)) {}

base::Result<Caches::ApprovalPtr> ApprovalStore::Find(const kube::Key& key,
                                                      const api::Execution& execution) {
  if (Caches::ApprovalPtr cached = parts_.caches.Approval(key)) return cached;
  if (execution.status.approval_uid.empty()) {
    return parts_.caches.written_approvals().Own(key);  // made by us a moment ago, or null
  }
  const auto live = parts_.cluster.api().Get(kube::kApprovals, key.ns, key.name);
  if (live.status().code() == Code::kNotFound) return Caches::ApprovalPtr();
  if (!live.ok()) return live.status();
  auto parsed = api::Approval::FromJson(*live);
  if (!parsed.ok()) return parsed.status();
  return std::make_shared<const api::Approval>(std::move(parsed).value());
}

std::optional<base::Time> ApprovalStore::ApprovedSince(const kube::Key& key,
                                                       const api::Approval* approval,
                                                       base::Time now) {
  if (approval == nullptr || approval->phase != api::ApprovalPhase::kApproved) return std::nullopt;
  return since_.Note(key, approval->meta.uid, now);
}

base::Result<Caches::ApprovalPtr> ApprovalStore::Remember(const kube::Key& key,
                                                          const api::Json& written) {
  auto parsed = api::Approval::FromJson(written);
  if (!parsed.ok()) return parsed.status();
  const auto approval = std::make_shared<const api::Approval>(std::move(parsed).value());
  parts_.caches.written_approvals().Wrote(key, approval);
  return approval;
}

Status ApprovalStore::Ask(const kube::Key& key, const api::Execution& execution,
                          const api::ApprovalRequest& request) {
  auto made = parts_.cluster.Create(kube::kApprovals, ApprovalJson(execution, request));
  if (made.status().code() == Code::kAlreadyExists) {
    // Ours, from before a crash, or a namesake's.
    made = parts_.cluster.api().Get(kube::kApprovals, key.ns, key.name);
  }
  if (!made.ok()) return made.status().WithContext("creating the Approval");
  return Remember(key, *made).status();
}

Status ApprovalStore::Settle(const kube::Key& key, const api::Approval& approval,
                             const SettleApproval& settle) {
  const base::Time now = parts_.clock.Now();
  const base::MonotonicTime began = parts_.clock.MonotonicNow();
  api::Json status = {{"phase", api::ApprovalPhaseName(settle.phase)}};
  const bool pending = settle.phase == api::ApprovalPhase::kPending;
  if (!pending) status["decidedAt"] = base::FormatTime(now);
  if (!settle.message.empty()) status["message"] = settle.message;
  const auto written = parts_.cluster.PatchStatus(kube::kApprovals, approval.meta, status);
  if (!written.ok()) {
    // Gone: the next pass asks the API server and sees it.
    if (written.status().code() == Code::kNotFound) {
      parts_.caches.written_approvals().Forget(key);
      return Status(Code::kConflict, "the Approval is gone");
    }
    return written.status();
  }
  if (settle.phase == api::ApprovalPhase::kApproved) {
    // Both clocks: one that was set back during the call does not make it an early one.
    const auto took =
        std::chrono::duration_cast<base::Time::duration>(parts_.clock.MonotonicNow() - began);
    since_.Note(key, approval.meta.uid, std::max(parts_.clock.Now(), now + took));
  }
  const auto now_it_is = Remember(key, *written);
  if (!now_it_is.ok()) return now_it_is.status();
  if (observer_.approval) observer_.approval(*now_it_is);
  base::LogInfo("approval: new phase", {{"execution", key.ToString()},
                                        {"approval", key.ToString()},
                                        {"phase", api::ApprovalPhaseName(settle.phase)}});
  parts_.events.Record(Reference("Approval", approval.meta), kube::EventType::kNormal,
                       api::ApprovalPhaseName(settle.phase),
                       pending ? "Waits for a decision." : "The question is settled.");
  if (!pending) {
    const base::Time asked = approval.meta.creation_time.value_or(now);
    observer_.settled(settle.phase, std::chrono::duration_cast<std::chrono::seconds>(now - asked));
  }
  return Status::Ok();
}

Status ApprovalStore::Note(const kube::Key& key, const api::Approval& approval,
                           const NoteChange& note) {
  const auto written =
      parts_.cluster.PatchStatus(kube::kApprovals, approval.meta,
                                 {{"workspaceChanged", true}, {"workspaceMessage", note.message}});
  if (!written.ok()) return written.status();
  if (const auto remembered = Remember(key, *written); !remembered.ok()) return remembered.status();
  parts_.events.Record(Reference("Approval", approval.meta), kube::EventType::kWarning,
                       "WorkspaceChanged", note.message);
  return Status::Ok();
}

void ApprovalStore::Forget(const kube::Key& key) {
  parts_.caches.written_approvals().Forget(key);
  since_.Forget(key);
}

}  // namespace sandgate::op
