// One Execution's records, in their order; and what must not happen without one.
#include <gtest/gtest.h>

#include "operator/execution_trail.h"
#include "tests/support/fake_audit.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using sandgate::testing::FakeAudit;

class TrailTest : public ::testing::Test {
 protected:
  // A pass: what the logic plans, said before it is done. The status that it writes is then the
  // Execution's.
  base::Status Pass(int64_t second = 1) {
    const ExecutionObserved seen{.execution = &m_.execution,
                                 .sandbox = m_.has_sandbox ? &m_.sandbox : nullptr,
                                 .approval = m_.has_approval ? &m_.approval : nullptr,
                                 .approved_since = std::nullopt,
                                 .history = m_.history,
                                 .run = m_.run,
                                 .guard = m_.guard,
                                 .audit = audit_.Health(),
                                 .egress = m_.egress,
                                 .load = m_.load,
                                 .policy_refused = std::nullopt,
                                 .new_run_id = "new-run"};
    const ExecutionPlan plan = ReconcileExecution(seen, *m_.policy, m_.settings, At(second));
    const base::Status status = trail_->Before(kKey, seen, plan.action, m_.policy->revision());
    if (!status.ok()) return status;
    const auto* write = std::get_if<WriteStatus>(&plan.action);
    const auto* store = std::get_if<StoreResult>(&plan.action);
    if (write != nullptr || store != nullptr) {
      const api::ExecutionStatus next = write != nullptr ? write->status : store->status;
      trail_->Wrote(kKey, next);
      m_.execution.status = next;
    }
    if (const auto* settle = std::get_if<SettleApproval>(&plan.action)) {
      trail_->Settled(kKey, m_.approval, *settle);
      m_.approval.phase = settle->phase;
    }
    return status;
  }
  void Restart() { trail_ = std::make_unique<ExecutionTrail>(audit_); }
  void Break() { audit_.SetHealth(base::Status(base::Code::kUnavailable, "disk full")); }
  // Between the look at it and the write.
  void BreakSoon() { audit_.SetRefusing(true); }
  void Mend() {
    audit_.SetHealth(base::Status::Ok());
    audit_.SetRefusing(false);
  }

  const kube::Key kKey{"agents", "run-1"};
  Moment m_;
  FakeAudit audit_;
  std::unique_ptr<ExecutionTrail> trail_ = std::make_unique<ExecutionTrail>(audit_);
};

TEST_F(TrailTest, AnExecutionThatThePolicyAdmits) {
  m_.policy = AutoPolicy();
  m_.MakeReady();
  ASSERT_TRUE(Pass().ok());  // claims
  ASSERT_TRUE(Pass().ok());  // starts
  ASSERT_TRUE(Pass().ok());  // again: the answer is not here yet
  m_.Ended(api::RunOutcome::kExited, 0);
  m_.run.state = [this] {
    auto state = *m_.run.state;
    state.run_id = "new-run";
    return std::make_shared<const api::RunState>(state);
  }();
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(),
            "execution.request execution.judgement execution.admission execution.start "
            "execution.end");
  EXPECT_EQ(audit_.records()[2].fields.at("runId"), "new-run");
  EXPECT_EQ(audit_.records()[3].fields.at("runId"), "new-run");
}

TEST_F(TrailTest, AnExecutionThatAHumanDenies) {
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(), "execution.request execution.judgement");
  EXPECT_EQ(audit_.records()[1].fields.at("asksHuman"), true);
  m_.Ask();
  m_.Decide(api::Verdict::kDenied, "alice");
  ASSERT_TRUE(Pass().ok());
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(),
            "execution.request execution.judgement approval.decision execution.end");
  EXPECT_EQ(audit_.records()[2].fields.at("decidedBy"), "alice");
}

TEST_F(TrailTest, ADecisionThatTheDeadProcessTookUpIsSaidBeforeTheAdmission) {
  m_.Ask();
  m_.Decide(api::Verdict::kApproved, "alice");
  m_.approval.phase = api::ApprovalPhase::kApproved;
  Restart();
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(), "approval.decision execution.admission");
  EXPECT_EQ(audit_.records()[1].fields.at("decidedBy"), "alice");
}

TEST_F(TrailTest, NothingIsAdmittedOrStartedWhoseRecordIsNotWritten) {
  m_.policy = AutoPolicy();
  m_.MakeReady();
  BreakSoon();
  EXPECT_FALSE(Pass().ok());
  EXPECT_FALSE(m_.execution.status.admission);
  Mend();
  ASSERT_TRUE(Pass().ok());
  ASSERT_TRUE(m_.execution.status.claim);
  BreakSoon();
  EXPECT_FALSE(Pass().ok()) << "the start";
  Mend();
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(),
            "execution.request execution.judgement execution.admission execution.start");
}

TEST_F(TrailTest, WhatABrokenLogDidNotTakeIsSaidBeforeTheAdmission) {
  m_.policy = AutoPolicy();
  m_.MakeReady();
  Break();
  ASSERT_TRUE(Pass().ok()) << "it is held";
  ASSERT_EQ(m_.execution.status.phase, api::ExecutionPhase::kPending);
  EXPECT_EQ(audit_.Events(), "");
  Mend();
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(), "execution.request execution.judgement execution.admission");
}

TEST_F(TrailTest, AWriteThatFailedTakesTheAdmissionBack) {
  m_.policy = AutoPolicy();
  m_.MakeReady();
  api::ExecutionStatus status;
  status.admission = api::Admission{"hash", "rev", "Auto"};
  trail_->WriteFailed(kKey, m_.execution, status, base::Status(base::Code::kConflict, "lost"));
  EXPECT_EQ(audit_.Events(), "execution.admission_failed");
  trail_->WriteFailed(kKey, m_.execution, {}, base::Status(base::Code::kConflict, "lost"));
  EXPECT_EQ(audit_.records().size(), 1u) << "it admitted nothing";
}

TEST_F(TrailTest, OneThatGoesAwayIsClosedOnce) {
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(trail_->Open(kKey), "execution-uid");
  trail_->Close(kKey, std::nullopt);
  trail_->Close(kKey, std::nullopt);
  EXPECT_FALSE(trail_->Open(kKey));
  EXPECT_EQ(audit_.Events(), "execution.request execution.judgement execution.gone");
}

TEST_F(TrailTest, ANamesakeIsAnotherOne) {
  ASSERT_TRUE(Pass().ok());
  m_.execution.meta.uid = "another-uid";
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(),
            "execution.request execution.judgement execution.gone execution.request "
            "execution.judgement");
}

TEST_F(TrailTest, ARefusalSaysSo) {
  m_.execution.spec.network_enabled = true;
  ASSERT_TRUE(Pass().ok());
  EXPECT_EQ(audit_.Events(), "execution.request execution.judgement execution.refused");
}

}  // namespace
}  // namespace sandgate::op
