#include "tests/crash/audit_invariants.h"

#include <map>

namespace sandgate::crash {
namespace {

using api::Json;
using api::Member;
using api::StringOr;
using Complaints = std::vector<std::string>;

std::string FieldOf(const AuditLine& line, const char* name) {
  return StringOr(line.record.fields, name);
}

// No code starts whose record was not there before.
void CheckStarts(const World& world, Complaints* out) {
  for (const Start& start : world.starts()) {
    bool said = false;
    for (size_t i = 0; i < start.audited && !said; ++i) {
      const AuditLine& line = world.audit()[i];
      said = line.record.event == "execution.start" && line.record.durable &&
             FieldOf(line, "runId") == start.run_id &&
             FieldOf(line, "sandboxUid") == start.sandbox_uid;
    }
    if (!said) out->push_back("audit: a run started without its record: " + start.code);
  }
}

// No write admits whose record was not there before.
void CheckAdmissions(const World& world, const std::vector<testing::Change>& history,
                     Complaints* out) {
  for (const testing::Change& change : history) {
    const Json& admission = Member(Member(change.after, "status"), "admission");
    if (!admission.is_object() ||
        Member(Member(change.before, "status"), "admission").is_object()) {
      continue;
    }
    const std::string uid = StringOr(Member(change.after, "metadata"), "uid");
    bool said = false;
    for (const AuditLine& line : world.audit()) {
      said |= line.record.event == "execution.admission" && line.record.durable &&
              line.revision < change.revision && FieldOf(line, "executionUid") == uid &&
              FieldOf(line, "specHash") == StringOr(admission, "specHash");
    }
    if (!said) out->push_back("audit: admitted without its record: " + change.key.name);
  }
}

// Whoever reads of an admission by a human has read of the decision.
void CheckDecisions(const World& world, Complaints* out) {
  std::map<std::string, std::string> decided;  // by the Execution's UID
  for (const AuditLine& line : world.audit()) {
    const std::string uid = FieldOf(line, "executionUid");
    if (line.record.event == "approval.decision") decided[uid] = FieldOf(line, "phase");
    if (line.record.event != "execution.admission" || FieldOf(line, "by") != "Approval") continue;
    if (decided[uid] != "Approved") out->push_back("audit: an admission without a decision");
  }
}

// While no process dies and every record is taken, each is there once.
void CheckCompleteness(const World& world, Complaints* out) {
  if (world.crashes() > 0 || world.audit_faults() > 0) return;
  std::map<std::string, int> requests, ends, starts;
  std::map<std::string, std::string> phases;
  for (const AuditLine& line : world.audit()) {
    const std::string& event = line.record.event;
    const std::string uid = FieldOf(line, "executionUid");
    if (event == "execution.request") ++requests[uid];
    if (event == "execution.end" || event == "execution.refused" || event == "execution.gone") {
      ++ends[uid];
      phases[uid] = FieldOf(line, "phase");
    }
    if (event == "execution.start") ++starts[FieldOf(line, "runId")];
  }
  for (const auto& [uid, count] : requests) {
    if (count != 1) out->push_back("audit: requested twice: " + uid);
    if (ends[uid] != 1) {
      out->push_back("audit: " + std::to_string(ends[uid]) + " ends of " + uid);
    }
  }
  // Where the answer to the last write was lost, too.
  for (const Json& execution : world.server().All(kube::kExecutions)) {
    const std::string uid = StringOr(Member(execution, "metadata"), "uid");
    if (phases[uid] != StringOr(Member(execution, "status"), "phase")) {
      out->push_back("audit: its end is not the one that was said: " + uid);
    }
  }
  for (const auto& [run, count] : starts) {
    if (count != 1) out->push_back("audit: started twice: " + run);
  }
}

}  // namespace

void CheckAudit(const World& world, const std::vector<testing::Change>& history, Complaints* out) {
  CheckStarts(world, out);
  CheckAdmissions(world, history, out);
  CheckDecisions(world, out);
  CheckCompleteness(world, out);
}

}  // namespace sandgate::crash
