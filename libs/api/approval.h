// The Approval kind (crds/approvals.yaml): a human's decision about one Execution.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/meta.h"

namespace sandgate::api {

inline constexpr size_t kMaxRecentRuns = 5;
inline constexpr size_t kMaxIdenticalNames = 5;

// An Execution that ran in the sandbox, or runs there.
struct RecentRun {
  std::string execution, tool, phase;
  std::optional<base::Time> ended_at;  // absent: it has not ended
  std::string line;                    // what it was, in short; printable ASCII

  bool operator==(const RecentRun&) const = default;
};

// What the approver reads. Never the whole code: an excerpt, and how much there is.
struct ApprovalSummary {
  std::string tool;  // "code_execute"
  std::string language;
  std::string code_excerpt;  // at most kMaxExcerptBytes
  int64_t code_bytes = 0;    // of the code, or of the file's content
  int64_t code_lines = 0;
  std::string package, registry;
  std::string path, mode;  // of a file operation; mode as it was asked for
  bool append = false;
  std::vector<std::string> domains;
  int64_t timeout_seconds = 0;
  int64_t sandbox_runs = 0;                  // runs that ended in this sandbox before the request
  std::vector<RecentRun> recent_runs;        // newest first, at most kMaxRecentRuns
  int64_t identical_pending = 0;             // other open questions of this requester for the same
  std::vector<std::string> identical_names;  // at most kMaxIdenticalNames of them
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
  bool workspace_changed = false;      // another run changed it since the question was asked

  static base::Result<Approval> FromJson(const Json& json);
};

Json ToJson(const ApprovalRequest& request);

}  // namespace sandgate::api
