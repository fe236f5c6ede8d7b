#include "libs/api/approval.h"

namespace sandgate::api {
namespace {

constexpr ApprovalPhase kPhases[] = {ApprovalPhase::kPending, ApprovalPhase::kApproved,
                                     ApprovalPhase::kDenied, ApprovalPhase::kExpired};

std::vector<RecentRun> RunsFromJson(const Json& list) {
  std::vector<RecentRun> runs;
  if (!list.is_array()) return runs;
  for (const Json& json : list) {
    if (runs.size() == kMaxRecentRuns) break;
    runs.push_back({.execution = StringOr(json, "execution"),
                    .tool = StringOr(json, "tool"),
                    .phase = StringOr(json, "phase"),
                    .ended_at = TimeFromJson(json, "endedAt"),
                    .line = StringOr(json, "line")});
  }
  return runs;
}

Json ToJson(const RecentRun& run) {
  Json json = {
      {"execution", run.execution}, {"tool", run.tool}, {"phase", run.phase}, {"line", run.line}};
  if (run.ended_at) json["endedAt"] = base::FormatTime(*run.ended_at);
  return json;
}

Json ToJson(const ApprovalSummary& summary) {
  Json json = {{"tool", summary.tool},
               {"codeExcerpt", summary.code_excerpt},
               {"codeBytes", summary.code_bytes},
               {"codeLines", summary.code_lines},
               {"domains", summary.domains},
               {"timeoutSeconds", summary.timeout_seconds},
               {"sandboxRuns", summary.sandbox_runs},
               {"recentRuns", Json::array()},
               {"image", summary.image},
               {"text", summary.text}};
  for (const RecentRun& run : summary.recent_runs) json["recentRuns"].push_back(ToJson(run));
  for (const auto& [name, value] : {std::pair("language", &summary.language),
                                    {"package", &summary.package},
                                    {"registry", &summary.registry},
                                    {"path", &summary.path},
                                    {"mode", &summary.mode}}) {
    if (!value->empty()) json[name] = *value;
  }
  if (summary.append) json["append"] = true;
  if (summary.identical_pending > 0) {
    json["identicalPending"] = {{"count", summary.identical_pending},
                                {"executions", summary.identical_names}};
  }
  return json;
}

ApprovalSummary SummaryFromJson(const Json& json) {
  ApprovalSummary summary;
  summary.tool = StringOr(json, "tool");
  summary.language = StringOr(json, "language");
  summary.code_excerpt = StringOr(json, "codeExcerpt");
  summary.code_bytes = IntOr(json, "codeBytes");
  summary.code_lines = IntOr(json, "codeLines");
  summary.package = StringOr(json, "package");
  summary.registry = StringOr(json, "registry");
  summary.path = StringOr(json, "path");
  summary.mode = StringOr(json, "mode");
  summary.append = BoolOr(json, "append");
  summary.domains = StringsFromJson(Member(json, "domains"));
  summary.timeout_seconds = IntOr(json, "timeoutSeconds");
  summary.sandbox_runs = IntOr(json, "sandboxRuns");
  summary.recent_runs = RunsFromJson(Member(json, "recentRuns"));
  const Json& identical = Member(json, "identicalPending");
  summary.identical_pending = IntOr(identical, "count");
  summary.identical_names = StringsFromJson(Member(identical, "executions"));
  summary.image = StringOr(json, "image");
  summary.text = StringOr(json, "text");
  return summary;
}

base::Result<ApprovalRequest> RequestFromJson(const Json& json) {
  ApprovalRequest request;
  request.execution_name = StringOr(json, "executionName");
  request.execution_uid = StringOr(json, "executionUID");
  request.sandbox_name = StringOr(json, "sandboxName");
  request.sandbox_uid = StringOr(json, "sandboxUID");
  const auto risk = ParseRisk(StringOr(json, "risk"));
  const auto expires_at = TimeFromJson(json, "expiresAt");
  if (!risk || !expires_at) {
    return base::Status(base::Code::kInvalidArgument,
                        "spec.request: risk and expiresAt must be set");
  }
  request.risk = *risk;
  request.expires_at = *expires_at;
  request.reasons = StringsFromJson(Member(json, "reasons"));
  request.requester = StringOr(json, "requester");
  request.requester_uid = StringOr(json, "requesterUID");
  request.summary = SummaryFromJson(Member(json, "summary"));
  request.spec_hash = StringOr(json, "specHash");
  request.policy_revision = StringOr(json, "policyRevision");
  return request;
}

// Anything that is not exactly "Approved" is a denial.
std::optional<ApprovalDecision> DecisionFromJson(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const bool approved = StringOr(json, "verdict") == "Approved";
  return ApprovalDecision{approved ? Verdict::kApproved : Verdict::kDenied,
                          StringOr(json, "reason"), StringOr(json, "decidedBy")};
}

}  // namespace

const char* ApprovalPhaseName(ApprovalPhase phase) {
  switch (phase) {
    case ApprovalPhase::kPending:
      return "Pending";
    case ApprovalPhase::kApproved:
      return "Approved";
    case ApprovalPhase::kDenied:
      return "Denied";
    case ApprovalPhase::kExpired:
      return "Expired";
  }
  return "";
}

std::optional<ApprovalPhase> ParseApprovalPhase(std::string_view name) {
  for (const ApprovalPhase phase : kPhases) {
    if (name == ApprovalPhaseName(phase)) return phase;
  }
  return std::nullopt;
}

base::Result<Approval> Approval::FromJson(const Json& json) {
  Approval approval;
  approval.meta = MetaFromJson(json);
  const Json& spec = Member(json, "spec");
  base::Result<ApprovalRequest> request = RequestFromJson(Member(spec, "request"));
  if (!request.ok()) return request.status();
  approval.request = std::move(request).value();
  approval.decision = DecisionFromJson(Member(spec, "decision"));
  const Json& status = Member(json, "status");
  approval.phase = ParseApprovalPhase(StringOr(status, "phase"));
  approval.message = StringOr(status, "message");
  approval.workspace_changed = BoolOr(status, "workspaceChanged");
  return approval;
}

Json ToJson(const ApprovalRequest& request) {
  Json json = {{"executionName", request.execution_name},
               {"executionUID", request.execution_uid},
               {"sandboxName", request.sandbox_name},
               {"sandboxUID", request.sandbox_uid},
               {"risk", RiskName(request.risk)},
               {"reasons", request.reasons},
               {"requester", request.requester},
               {"summary", ToJson(request.summary)},
               {"specHash", request.spec_hash},
               {"policyRevision", request.policy_revision},
               {"expiresAt", base::FormatTime(request.expires_at)}};
  if (!request.requester_uid.empty()) json["requesterUID"] = request.requester_uid;
  return json;
}

}  // namespace sandgate::api
