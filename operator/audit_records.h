// What the audit log says of each step in an Execution's life: from objects to a record's fields.
// Pure. docs/reference/audit.md is the table of these for those who read the log.
//
// Never in a record: code, file content, output, tokens, matched lines. Sizes and hashes instead.
#pragma once

#include <string>
#include <vector>

#include "libs/api/approval.h"
#include "libs/audit/record.h"
#include "operator/sandbox_logic.h"

namespace sandgate::op {

// Who, what and where: in every record about an Execution. `sandbox` may be null; `spec_hash` ""
// where it is not known yet.
api::Json SubjectOf(const api::Execution& execution, const api::Sandbox* sandbox,
                    const std::string& spec_hash);

audit::Record RequestRecord(api::Json subject, const api::ExecutionSpec& spec);
struct Judgement {
  api::RiskLevel risk = api::RiskLevel::kCritical;
  std::vector<std::string> reasons;
  std::string policy_revision;
  std::optional<base::Time> expires_at;  // of the question to a human; absent: nobody is asked
};
audit::Record JudgementRecord(api::Json subject, const Judgement& judgement);
// `approval` as it is after it was settled.
audit::Record DecisionRecord(api::Json subject, const api::Approval& approval,
                             api::ApprovalPhase phase, const std::string& message);
// These two stand in the log, on the disk, before what they say happens. `approval`: the one that
// admitted, or null.
audit::Record AdmissionRecord(api::Json subject, const api::ExecutionStatus& status,
                              const api::Approval* approval);
// `domains`: what the run may reach.
audit::Record StartRecord(api::Json subject, const api::Claim& claim,
                          const std::vector<std::string>& domains);
// The write that an AdmissionRecord announced did not succeed, or it is not known whether it did.
audit::Record AdmissionFailedRecord(api::Json subject, const base::Status& why);
// execution.refused for what failed before it was admitted, else execution.end.
audit::Record EndRecord(api::Json subject, const api::ExecutionStatus& status);
// It left before an end of it was seen: it was deleted.
audit::Record GoneRecord(api::Json subject);

// "sandbox.created", "sandbox.ready", "sandbox.failed", "sandbox.expired" (the operator
// deletes it: its time is over, or it is idle), "sandbox.deleted" (it is gone). `reason` may be "".
audit::Record SandboxRecord(const char* event, const api::Sandbox& sandbox,
                            const std::string& reason);

audit::Record PolicyRecord(const std::string& revision, bool healthy);
audit::Record GuardRecord(const GuardView& guard);

}  // namespace sandgate::op
