// The Approval kind (crds/approvals.yaml): a human's decision about one Execution.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/meta.h"

namespace sandgate::api {

// What the approver reads. Never the whole code: an excerpt, and how much there is.
struct ApprovalSummary {
  std::string tool;  // "code_execute"
  std::string language;
  std::string code_excerpt;  // of the code or the file's content; at most kMaxExcerptBytes
  int64_t code_bytes = 0;
  int64_t code_lines = 0;
  std::string path;  // of a file operation
  std::vector<std::string> domains;
  int64_t timeout_seconds = 0;
  int64_t sandbox_runs = 0;  // runs that ended in this sandbox before the request
  std::string image;
  std::string text;  // one line of prose
};

inline constexpr size_t kMaxExcerptBytes = 4096;

struct ApprovalRequest {
  std::string execution_name, execution_uid;
  std::string sandbox_name, sandbox_uid;
  RiskLevel risk = RiskLevel::kCritical;
  std::vector<std::string> reasons;
  std::string requester, requester_uid;
  ApprovalSummary summary;
  std::string spec_hash;
  std::string policy_revision;
  base::Time expires_at;
};

enum class Verdict { kApproved, kDenied };

struct ApprovalDecision {
  Verdict verdict = Verdict::kDenied;
  std::string reason;
  std::string decided_by;
};

enum class ApprovalPhase { kPending, kApproved, kDenied, kExpired };
const char* ApprovalPhaseName(ApprovalPhase phase);
std::optional<ApprovalPhase> ParseApprovalPhase(std::string_view name);

struct Approval {
  ObjectMeta meta;
  ApprovalRequest request;
  std::optional<ApprovalDecision> decision;
  std::optional<ApprovalPhase> phase;  // absent: created, not yet set Pending
  std::string message;                 // why it was settled, when not by the verdict alone

  static base::Result<Approval> FromJson(const Json& json);
};

Json ToJson(const ApprovalRequest& request);

}  // namespace sandgate::api
