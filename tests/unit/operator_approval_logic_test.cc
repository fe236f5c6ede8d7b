#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::ApprovalPhase;
using api::ExecutionPhase;
using api::Verdict;

TEST(ApprovalTest, GoesToPendingOnlyAfterItsUidIsRecorded) {
  Moment m;
  m.Ask();
  m.approval.phase.reset();
  EXPECT_EQ(m.Settled(1), "Pending");
  EXPECT_EQ(m.Settled(60), "Expired");
}

TEST(ApprovalTest, WaitsForItsDeadlineWithoutWriting) {
  Moment m;
  m.Ask();
  EXPECT_TRUE(m.Plans<Wait>(59));
  EXPECT_EQ(m.Plan(59).again_at, At(60));
  EXPECT_EQ(m.Settled(60), "Expired");
}

TEST(ApprovalTest, ADecisionCountsOnlyBeforeTheDeadline) {
  Moment m;
  m.Ask();
  m.Decide(Verdict::kApproved);
  EXPECT_EQ(m.Settled(59), "Approved");
  EXPECT_EQ(m.Settled(60), "Expired");
  m.Decide(Verdict::kDenied);
  EXPECT_EQ(m.Settled(59), "Denied");
  EXPECT_EQ(m.Settled(60), "Expired");
}

TEST(ApprovalTest, AnApprovalThatCannotCountIsDenied) {
  const struct {
    const char* why;
    void (*change)(Moment*);
  } cases[] = {
      {"by the requester", [](Moment* m) { m->approval.decision->decided_by = "agent"; }},
      {"by nobody", [](Moment* m) { m->approval.decision->decided_by = ""; }},
      {"for other code", [](Moment* m) { m->execution.spec.code = "import os"; }},
      {"for another Sandbox", [](Moment* m) { m->sandbox.meta.uid = "another"; }},
      {"for other limits", [](Moment* m) { m->sandbox.status.effective->memory_bytes += 1; }},
      {"under another policy", [](Moment* m) { m->policy = AutoPolicy(); }},
      {"with another hash", [](Moment* m) { m->approval.request.spec_hash[0] ^= 1; }},
  };
  for (const auto& one : cases) {
    Moment pending, approved;
    for (Moment* m : {&pending, &approved}) {
      m->Ask();
      m->Decide(Verdict::kApproved);
      one.change(m);
    }
    EXPECT_EQ(pending.Settled(), "Denied") << one.why;
    approved.approval.phase = ApprovalPhase::kApproved;
    EXPECT_EQ(Ending(approved.Status()), "Denied ApprovalVoid") << one.why;
  }
}

TEST(ApprovalTest, ApprovedIsAdmittedAndClaimedInOneWrite) {
  Moment m;
  m.Ask();
  m.Decide(Verdict::kApproved);
  m.approval.phase = ApprovalPhase::kApproved;
  m.approved_since = 59;
  const api::ExecutionStatus status = m.Status(1'000);
  EXPECT_EQ(status.phase, ExecutionPhase::kRunning) << "settled in time is settled";
  EXPECT_EQ(status.admission->by, "Approval");
  EXPECT_EQ(status.admission->spec_hash, m.approval.request.spec_hash);
}

// A decision counts only if the compare-and-swap had succeeded before the deadline, and what proves
// it is when that was known: in this process's own memory, or else now.
TEST(ApprovalTest, AnApprovalThatWasNotKnownBeforeTheDeadlineDoesNotCount) {
  const struct {
    const char* why;
    std::optional<int64_t> since;
    int64_t now;
    const char* outcome;
  } cases[] = {
      {"known in time, looked at in time", 10, 20, "Running"},
      {"known in the last second, looked at late", 59, 61, "Running"},
      {"known at the very deadline", 60, 60, "Expired ApprovalExpired"},
      {"the write came back late", 61, 61, "Expired ApprovalExpired"},
      {"after a crash, seen in time", std::nullopt, 59, "Running"},
      {"after a crash, seen at the deadline", std::nullopt, 60, "Expired ApprovalExpired"},
      {"after a crash, seen late", std::nullopt, 1'000, "Expired ApprovalExpired"},
      {"known late, and then the clock went back", 61, 30, "Expired ApprovalExpired"},
  };
  for (const auto& one : cases) {
    Moment m;
    m.Ask();
    m.Decide(Verdict::kApproved);
    m.approval.phase = ApprovalPhase::kApproved;
    m.approved_since = one.since;
    EXPECT_EQ(Ending(m.Status(one.now)), one.outcome) << one.why;
    EXPECT_EQ(m.Status(one.now).admission.has_value(), std::string(one.outcome) == "Running")
        << one.why;
  }
}

TEST(ApprovalTest, EveryOtherEndOfItEndsTheExecution) {
  Moment m;
  m.Ask();
  m.approval.phase = ApprovalPhase::kDenied;
  m.Decide(Verdict::kDenied);
  m.approval.decision->reason = "too risky";
  EXPECT_EQ(Ending(m.Status()), "Denied ApprovalDenied");
  EXPECT_EQ(m.Status().error->message, "Denied by boss: too risky");
  m.approval.phase = ApprovalPhase::kExpired;
  EXPECT_EQ(Ending(m.Status()), "Expired ApprovalExpired");
  m.has_approval = false;
  EXPECT_EQ(Ending(m.Status()), "Denied ApprovalDeleted") << "it is never made again";
  m.has_approval = true;
  m.approval.phase = ApprovalPhase::kApproved;
  m.Decide(Verdict::kApproved);
  m.approval.meta.uid = "another";
  EXPECT_EQ(Ending(m.Status()), "Denied ApprovalDeleted") << "another one does not count";
}

TEST(ApprovalTest, AnEndingSettlesTheOpenQuestionFirst) {
  const struct {
    const char* why;
    void (*change)(Moment*);
  } cases[] = {
      {"cancel", [](Moment* m) { m->execution.spec.cancel = true; }},
      {"Sandbox deleted", [](Moment* m) { m->has_sandbox = false; }},
      {"Sandbox failed", [](Moment* m) { m->sandbox.status.phase = api::SandboxPhase::kFailed; }},
  };
  for (const auto& one : cases) {
    Moment m;
    m.Ask();
    m.Decide(Verdict::kApproved);
    one.change(&m);
    EXPECT_EQ(m.Settled(), "Denied") << one.why;
    m.approval.phase = ApprovalPhase::kDenied;
    EXPECT_TRUE(m.Status().terminal()) << one.why;
  }
}

TEST(ApprovalTest, AnApprovedDecisionIsNotTakenUpWhileTheRulesAreBroken) {
  Moment m;
  m.Ask();
  m.Decide(Verdict::kApproved);
  m.guard = {GuardView::State::kBroken, "gone"};
  m.execution.status = m.Status(1);
  EXPECT_EQ(m.execution.status.phase, ExecutionPhase::kAwaitingApproval);
  EXPECT_TRUE(m.Plans<Wait>(2));
  EXPECT_EQ(m.Settled(60), "Expired");
  m.approval.phase = ApprovalPhase::kApproved;
  m.approved_since = 59;
  EXPECT_TRUE(m.Plans<Wait>(61)) << "one that was settled before is not trusted either";
}

TEST(ApprovalTest, TheExcerptIsCutBetweenCharacters) {
  Moment m;
  m.execution.spec.code = std::string(api::kMaxExcerptBytes - 1, 'x') + "\xC3\xA4";
  const ExecutionPlan plan = m.Plan();
  const auto& summary = std::get<CreateApproval>(plan.action).request.summary;
  EXPECT_EQ(summary.code_excerpt, std::string(api::kMaxExcerptBytes - 1, 'x'));
  EXPECT_EQ(summary.code_bytes, static_cast<int64_t>(api::kMaxExcerptBytes) + 1);
}

}  // namespace
}  // namespace sandgate::op
