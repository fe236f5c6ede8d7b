#include "operator/audit_records.h"

#include "libs/base/ids.h"
#include "operator/webhook_logic.h"  // WithoutEvidence

namespace sandgate::op {
namespace {

using api::Json;
using audit::Record;

void AddText(const char* name, const std::string& text, Json* fields) {
  if (!text.empty()) (*fields)[name] = text;
}

void AddDomains(const std::vector<std::string>& domains, Json* fields) {
  if (!domains.empty()) (*fields)["domains"] = domains;
}

// A text that must not be in the log.
void AddDigest(const std::string& name, const std::string& text, Json* fields) {
  (*fields)[name + "Bytes"] = text.size();
  (*fields)[name + "Sha256"] = base::Sha256Hex(text);
}

// As it was stored: what is not UTF-8 replaced.
void AddStream(const std::string& name, const std::optional<std::string>& text,
               const std::optional<api::OutputRef>& ref, bool truncated, Json* fields) {
  if (!text && !ref) return;
  if (ref) {
    (*fields)[name + "Bytes"] = ref->bytes;
    (*fields)[name + "Sha256"] = ref->sha256;
  } else {
    AddDigest(name, *text, fields);
  }
  (*fields)[name + "Truncated"] = truncated;
}

// "name version hash": what an install says it brought.
void AddPackages(const std::vector<api::InstalledPackage>& packages, Json* fields) {
  if (packages.empty()) return;
  Json list = Json::array();
  for (const api::InstalledPackage& one : packages) {
    list.push_back(one.name + " " + one.version + (one.hash.empty() ? "" : " " + one.hash));
  }
  (*fields)["packagesCount"] = packages.size();
  (*fields)["packages"] = std::move(list);
}

}  // namespace

Json SubjectOf(const api::Execution& execution, const api::Sandbox* sandbox,
               const std::string& spec_hash) {
  Json subject = {{"namespace", execution.meta.ns},
                  {"execution", execution.meta.name},
                  {"executionUid", execution.meta.uid},
                  {"sandbox", execution.spec.sandbox_name},
                  {"requester", execution.spec.requester.username}};
  AddText("requesterUid", execution.spec.requester.uid, &subject);
  if (sandbox != nullptr) AddText("sandboxUid", sandbox->meta.uid, &subject);
  AddText("specHash", spec_hash, &subject);
  return subject;
}

Record RequestRecord(Json subject, const api::ExecutionSpec& spec) {
  Record record{"execution.request", std::move(subject)};
  Json& fields = record.fields;
  fields["operation"] = api::OperationName(spec.operation);
  fields["network"] = spec.network_enabled;
  AddDomains(spec.allowed_domains, &fields);  // as they were asked for
  if (spec.timeout_seconds) fields["timeoutSeconds"] = *spec.timeout_seconds;
  switch (spec.operation) {
    case api::Operation::kExecute:
      fields["language"] = api::LanguageName(spec.language);
      AddDigest("code", spec.code, &fields);
      break;
    case api::Operation::kInstallPackage:
      fields["package"] = spec.package;
      AddText("registry", spec.registry, &fields);
      break;
    case api::Operation::kWriteFile:
      AddDigest("content", spec.content, &fields);
      [[fallthrough]];
    case api::Operation::kReadFile:
    case api::Operation::kListFiles:
      fields["path"] = spec.path;
      break;
  }
  return record;
}

Record JudgementRecord(Json subject, const Judgement& judgement) {
  Record record{"execution.judgement", std::move(subject)};
  record.fields["risk"] = api::RiskName(judgement.risk);
  Json reasons = Json::array();
  for (const std::string& reason : judgement.reasons) reasons.push_back(WithoutEvidence(reason));
  record.fields["reasons"] = std::move(reasons);
  record.fields["policyRevision"] = judgement.policy_revision;
  record.fields["asksHuman"] = judgement.expires_at.has_value();
  if (judgement.expires_at) record.fields["expiresAt"] = base::FormatTime(*judgement.expires_at);
  return record;
}

Record DecisionRecord(Json subject, const api::Approval& approval, api::ApprovalPhase phase,
                      const std::string& message) {
  Record record{"approval.decision", std::move(subject)};
  Json& fields = record.fields;
  fields["approvalUid"] = approval.meta.uid;
  fields["phase"] = api::ApprovalPhaseName(phase);
  fields["risk"] = api::RiskName(approval.request.risk);
  fields["policyRevision"] = approval.request.policy_revision;
  AddDomains(approval.request.summary.domains, &fields);
  if (approval.decision) {
    const bool approved = approval.decision->verdict == api::Verdict::kApproved;
    fields["verdict"] = approved ? "Approved" : "Denied";
    fields["decidedBy"] = approval.decision->decided_by;
    AddText("reason", approval.decision->reason, &fields);
  }
  AddText("message", message, &fields);
  return record;
}

Record AdmissionRecord(Json subject, const api::ExecutionStatus& status,
                       const api::Approval* approval) {
  Record record{"execution.admission", std::move(subject), true};
  Json& fields = record.fields;
  if (status.admission) {
    fields["by"] = status.admission->by;
    fields["specHash"] = status.admission->spec_hash;
    fields["policyRevision"] = status.admission->policy_revision;
    AddDomains(status.admission->domains, &fields);
  }
  if (status.risk) fields["risk"] = api::RiskName(*status.risk);
  if (status.claim) fields["runId"] = status.claim->run_id;
  if (approval != nullptr && approval->decision) {
    fields["approvalUid"] = approval->meta.uid;
    fields["decidedBy"] = approval->decision->decided_by;
  }
  return record;
}

Record AdmissionFailedRecord(Json subject, const base::Status& why) {
  Record record{"execution.admission_failed", std::move(subject)};
  // A write that was answered with a refusal was not carried out; anything else may have been.
  const bool refused = why.code() == base::Code::kConflict || why.code() == base::Code::kNotFound ||
                       why.code() == base::Code::kPermissionDenied ||
                       why.code() == base::Code::kInvalidArgument;
  record.fields["effect"] = refused ? "none" : "unknown";
  record.fields["error"] = base::CodeName(why.code());
  return record;
}

Record StartRecord(Json subject, const api::Claim& claim, const std::vector<std::string>& domains) {
  Record record{"execution.start", std::move(subject), true};
  record.fields["runId"] = claim.run_id;
  record.fields["podUid"] = claim.pod_uid;
  record.fields["runnerBootId"] = claim.runner_boot_id;
  AddDomains(domains, &record.fields);
  return record;
}

Record EndRecord(Json subject, const api::ExecutionStatus& status) {
  const bool refused = status.phase == api::ExecutionPhase::kFailed && !status.admission;
  Record record{refused ? "execution.refused" : "execution.end", std::move(subject)};
  Json& fields = record.fields;
  fields["phase"] = status.phase ? api::PhaseName(*status.phase) : "";
  if (status.risk) fields["risk"] = api::RiskName(*status.risk);
  if (status.claim) fields["runId"] = status.claim->run_id;
  if (status.exit_code) fields["exitCode"] = *status.exit_code;
  if (status.error) fields["error"] = status.error->code;
  if (status.execution_time_millis) fields["durationMillis"] = *status.execution_time_millis;
  AddPackages(status.packages, &fields);
  AddStream("stdout", status.out, status.stdout_ref, status.stdout_truncated, &fields);
  AddStream("stderr", status.err, status.stderr_ref, status.stderr_truncated, &fields);
  return record;
}

Record GoneRecord(Json subject) {
  return {"execution.gone", std::move(subject)};
}

Record SandboxRecord(const char* event, const api::Sandbox& sandbox, const std::string& reason) {
  Record record{event,
                {{"namespace", sandbox.meta.ns},
                 {"sandbox", sandbox.meta.name},
                 {"sandboxUid", sandbox.meta.uid},
                 {"requester", sandbox.spec.requester.username}}};
  Json& fields = record.fields;
  AddText("podUid", sandbox.status.pod_uid, &fields);
  AddText("imageId", sandbox.status.image_id, &fields);
  AddText("reason", reason, &fields);
  if (const auto& effective = sandbox.status.effective) {
    fields["image"] = effective->image;
    AddDomains(effective->allowed_domains, &fields);
  }
  return record;
}

Record PolicyRecord(const std::string& revision, bool healthy) {
  return {"policy.changed", {{"policyRevision", revision}, {"healthy", healthy}}};
}

Record GuardRecord(const GuardView& guard) {
  const char* state = "unknown";
  if (guard.intact()) state = "intact";
  if (guard.state == GuardView::State::kBroken) state = "broken";
  Record record{"guard.changed", {{"state", state}}};
  AddText("problem", guard.problem, &record.fields);
  return record;
}

}  // namespace sandgate::op
