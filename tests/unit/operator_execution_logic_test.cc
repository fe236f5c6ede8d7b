#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;
using Stage = RunView::Stage;

TEST(BeginTest, WithoutRulesOneWriteAdmitsAndClaims) {
  Moment m;
  m.policy = AutoPolicy();
  const api::ExecutionStatus status = m.Status();
  EXPECT_EQ(status.phase, ExecutionPhase::kRunning);
  ASSERT_TRUE(status.admission && status.claim && status.start_time);
  EXPECT_EQ(status.admission->by, "Auto");
  EXPECT_EQ(status.admission->spec_hash, m.Hash());
  EXPECT_EQ(*status.claim, (api::Claim{"new-run", "pod-uid", "boot"}));
  EXPECT_EQ(api::FindCondition(status.conditions, "Admitted")->status, "True");
}

TEST(BeginTest, QueuesAsAdmittedWhereItCannotStart) {
  const struct {
    const char* why;
    void (*change)(Moment*);
  } cases[] = {
      {"another holds a claim", [](Moment* m) { m->load.busy = true; }},
      {"an earlier one waits", [](Moment* m) { m->load.behind = true; }},
      {"the Sandbox is not ready", [](Moment* m) { m->sandbox.status.phase.reset(); }},
      {"the runner is not known", [](Moment* m) { m->sandbox.status.runner_boot_id.clear(); }},
  };
  for (const auto& one : cases) {
    Moment m;
    m.policy = AutoPolicy();
    one.change(&m);
    const api::ExecutionStatus status = m.Status();
    EXPECT_EQ(status.phase, ExecutionPhase::kAdmitted) << one.why;
    EXPECT_FALSE(status.claim) << one.why;
  }
}

TEST(BeginTest, AsksAHumanBeforeAnythingIsWritten) {
  Moment m;
  const ExecutionPlan plan = m.Plan();
  const auto* create = std::get_if<CreateApproval>(&plan.action);
  ASSERT_NE(create, nullptr);
  EXPECT_EQ(create->request.execution_uid, "execution-uid");
  EXPECT_EQ(create->request.sandbox_uid, "sandbox-uid");
  EXPECT_EQ(create->request.risk, api::RiskLevel::kHigh);
  EXPECT_EQ(create->request.spec_hash, m.Hash());
  EXPECT_EQ(create->request.requester, "agent");
  EXPECT_EQ(create->request.expires_at, At(61));
  EXPECT_EQ(create->request.summary.code_excerpt, "print(1)");
  EXPECT_EQ(create->request.summary.code_lines, 1);
}

TEST(BeginTest, RecordsTheApprovalOnceItIsThere) {
  Moment m;
  m.Ask();
  m.execution.status = {};
  m.approval.phase.reset();
  const api::ExecutionStatus status = m.Status();
  EXPECT_EQ(status.phase, ExecutionPhase::kAwaitingApproval);
  EXPECT_EQ(status.approval_uid, "approval-uid");
  EXPECT_EQ(status.risk, api::RiskLevel::kHigh);
}

TEST(BeginTest, AForeignApprovalOfTheSameNameIsNeverTaken) {
  Moment m;
  m.Ask();
  m.execution.status = {};
  m.approval.request.execution_uid = "an earlier one";
  EXPECT_TRUE(m.Plans<Wait>(1));
  EXPECT_EQ(Ending(m.Status(61)), "Failed ApprovalNameTaken");
}

TEST(BeginTest, RefusesBeforeAHumanIsAsked) {
  const struct {
    const char* ending;
    void (*change)(Moment*);
  } cases[] = {
      {"Failed SandboxesDisabled",
       [](Moment* m) { m->policy = LoadPolicy("security: {sandbox: {enabled: false}}"); }},
      {"Failed SandboxNotYours",
       [](Moment* m) { m->execution.spec.requester.username = "another"; }},
      {"Failed SandboxNotYours", [](Moment* m) { m->execution.spec.requester.uid = "reborn"; }},
      {"Failed InvalidTimeout", [](Moment* m) { m->execution.spec.timeout_seconds = 86'400; }},
      {"Failed NetworkNotAllowed", [](Moment* m) { m->execution.spec.network_enabled = true; }},
      {"Failed TooManyExecutions", [](Moment* m) { m->load.active_in_namespace = 501; }},
      {"Failed QueueFull", [](Moment* m) { m->load.queued_in_sandbox = 32; }},
      {"Failed TooManyOpenApprovals", [](Moment* m) { m->load.open_approvals = 20; }},
      {"Failed SandboxFailed",
       [](Moment* m) { m->sandbox.status.phase = api::SandboxPhase::kFailed; }},
      {"Cancelled Cancelled", [](Moment* m) { m->execution.spec.cancel = true; }},
      {"Cancelled SandboxDeleted", [](Moment* m) { m->sandbox.meta.deletion_time = kStart; }},
  };
  for (const auto& one : cases) {
    Moment m;
    one.change(&m);
    const api::ExecutionStatus status = m.Status();
    EXPECT_EQ(Ending(status), one.ending);
    EXPECT_FALSE(status.admission || status.exit_code) << one.ending;
    EXPECT_EQ(api::FindCondition(status.conditions, "Finished")->status, "True") << one.ending;
    EXPECT_EQ(api::FindCondition(status.conditions, "Admitted")->status, "False") << one.ending;
  }
}

// No policy can be told: nothing new is let in, nobody is asked any longer, and what runs goes on.
TEST(BeginTest, ARefusedPolicyLetsNothingIn) {
  Moment m;
  m.policy_refused = Refusal{"PolicyAmbiguous", "one and two"};
  EXPECT_EQ(Ending(m.Status()), "Failed PolicyAmbiguous");
  m.has_sandbox = false;
  EXPECT_EQ(Ending(m.Status()), "Failed PolicyAmbiguous");

  Moment asked;
  asked.Ask();
  asked.Decide(api::Verdict::kApproved);
  asked.policy_refused = m.policy_refused;
  EXPECT_TRUE(asked.Plans<SettleApproval>(1));
  asked.approval.phase = api::ApprovalPhase::kDenied;
  EXPECT_EQ(Ending(asked.Status()), "Failed PolicyAmbiguous");

  Moment admitted;
  admitted.Admit();
  admitted.policy_refused = m.policy_refused;
  EXPECT_EQ(admitted.Status().phase, ExecutionPhase::kRunning);
}

TEST(BeginTest, ASharedSandboxTakesOthers) {
  Moment m;
  m.policy = AutoPolicy();
  m.sandbox.spec.shared = true;
  m.execution.spec.requester.username = "another";
  EXPECT_EQ(m.Status().phase, ExecutionPhase::kRunning);
}

TEST(BeginTest, WaitsAMinuteForItsSandbox) {
  Moment m;
  m.has_sandbox = false;
  EXPECT_TRUE(m.Plans<Wait>(59));
  EXPECT_EQ(m.Plan(59).again_at, At(60));
  EXPECT_EQ(Ending(m.Status(60)), "Failed SandboxNotFound");
}

TEST(GuardTest, NothingAboveLowGoesOnWhileTheRulesAreBroken) {
  Moment m;
  m.guard = {GuardView::State::kBroken, "sandgate-approvals is missing"};
  const api::ExecutionStatus held = m.Status(1);
  EXPECT_EQ(held.phase, ExecutionPhase::kPending);
  EXPECT_EQ(api::FindCondition(held.conditions, "Admitted")->reason, "AdmissionPoliciesNotIntact");
  m.execution.status = held;
  EXPECT_TRUE(m.Plans<Wait>(2)) << "the condition is written once";
  EXPECT_EQ(Ending(m.Status(60)), "Failed AdmissionPoliciesNotIntact");
  m.guard = {GuardView::State::kIntact, ""};
  EXPECT_TRUE(m.Plans<CreateApproval>(3)) << "it goes on when they are back";
}

TEST(GuardTest, UnknownIsNotIntactAndWritesNothing) {
  Moment m;
  m.guard = {};
  EXPECT_TRUE(m.Plans<Wait>(1));
}

TEST(GuardTest, LowRiskGoesOn) {
  Moment m;
  m.guard = {GuardView::State::kBroken, ""};
  m.policy = AutoPolicy();
  EXPECT_EQ(m.Status().phase, ExecutionPhase::kRunning);
}

TEST(TurnTest, ClaimsWhenTheSandboxIsFree) {
  Moment m;
  m.Admit();
  m.load.busy = true;
  EXPECT_TRUE(m.Plans<Wait>());
  m.load.busy = false;
  const api::ExecutionStatus status = m.Status();
  EXPECT_EQ(status.phase, ExecutionPhase::kRunning);
  EXPECT_EQ(*status.admission, *m.execution.status.admission);
}

TEST(TurnTest, AnAdmissionForSomethingElseStartsNothing) {
  const struct {
    const char* what;
    void (*change)(Moment*);
  } cases[] = {
      {"other code", [](Moment* m) { m->execution.spec.code = "import os"; }},
      {"another timeout", [](Moment* m) { m->execution.spec.timeout_seconds = 7; }},
      {"another Sandbox", [](Moment* m) { m->sandbox.meta.uid = "another"; }},
      {"more memory", [](Moment* m) { m->sandbox.status.effective->memory_bytes *= 2; }},
      {"another image", [](Moment* m) { m->sandbox.status.effective->image = "evil:1"; }},
      {"another Execution", [](Moment* m) { m->execution.meta.uid = "another"; }},
  };
  for (const auto& one : cases) {
    Moment admitted, running;
    admitted.Admit();
    running.Claim();
    one.change(&admitted);
    one.change(&running);
    EXPECT_EQ(Ending(admitted.Status()), "Failed AdmissionMismatch") << one.what;
    EXPECT_EQ(Ending(running.Status()), "Failed AdmissionMismatch") << one.what;
  }
}

TEST(RunTest, AClaimIsStartedInTheNextPass) {
  Moment m;
  m.Claim();
  const ExecutionPlan plan = m.Plan();
  const auto* start = std::get_if<StartRun>(&plan.action);
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(start->admitted.claim().run_id, "run");
  EXPECT_EQ(start->admitted.request().code, "print(1)");
  EXPECT_EQ(start->admitted.request().timeout_millis, 30'000);
  EXPECT_EQ(start->admitted.request().boot_id, "boot");
}

TEST(RunTest, WhatTheRunnerSaysDecidesTheNextStep) {
  Moment m;
  m.Claim();
  m.run.stage = Stage::kAsking;
  EXPECT_TRUE(m.Plans<Wait>());
  m.run.stage = Stage::kAccepted;
  EXPECT_TRUE(m.Plans<FollowRun>());
  m.run.stage = Stage::kUnreachable;
  m.run.retry_at = At(2);
  EXPECT_TRUE(m.Plans<Wait>(1));
  EXPECT_TRUE(m.Plans<StartRun>(2)) << "asking again is safe: a run id runs once";
  m.run.stage = Stage::kMissing;
  EXPECT_TRUE(m.Plans<StartRun>());
  m.run.stage = Stage::kRefused;
  EXPECT_EQ(Ending(m.Status()), "Lost RunLost");
}

TEST(RunTest, EndsWithinItsDeadlineWhateverTheRunnerDoes) {
  for (const Stage stage :
       {Stage::kUnknown, Stage::kAsking, Stage::kAccepted, Stage::kMissing, Stage::kUnreachable}) {
    Moment m;
    m.Claim();
    m.run.stage = stage;
    EXPECT_EQ(Ending(m.Status(30 + 2 + 30)), "Lost RunnerUnresponsive");
  }
}

TEST(RunTest, ResultsInTheContractsWords) {
  const struct {
    api::RunOutcome outcome;
    int64_t exit_code;
    const char* ending;
    std::optional<int64_t> shown;
  } cases[] = {
      {api::RunOutcome::kExited, 0, "Succeeded", 0},
      {api::RunOutcome::kExited, 3, "Failed", 3},
      {api::RunOutcome::kTimedOut, 143, "TimedOut TimeoutError", -1},
      {api::RunOutcome::kMemoryExceeded, 137, "Failed MemoryLimitExceeded", 137},
      {api::RunOutcome::kCancelled, 143, "Cancelled Cancelled", 143},
      {api::RunOutcome::kRefused, 0, "Failed RunRefused", std::nullopt},
  };
  for (const auto& one : cases) {
    Moment m;
    m.Claim();
    m.Ended(one.outcome, one.exit_code);
    EXPECT_TRUE(m.Plans<StoreResult>());
    EXPECT_EQ(Ending(m.Status()), one.ending);
    EXPECT_EQ(m.Status().exit_code, one.shown) << one.ending;
  }
}

TEST(RunTest, AFinishedExecutionIsReleasedAndNeverTouchedAgain) {
  Moment m;
  m.Claim();
  m.execution.status.phase = ExecutionPhase::kSucceeded;
  EXPECT_TRUE(m.Plans<Wait>());
  m.Ended(api::RunOutcome::kExited, 1);
  EXPECT_TRUE(m.Plans<ReleaseRun>());
  m.has_sandbox = false;
  m.execution.spec.cancel = true;
  EXPECT_TRUE(m.Plans<ReleaseRun>());
}

TEST(RunTest, TheSandboxIsLostUnderIt) {
  Moment m;
  m.Claim();
  m.sandbox.status.phase = api::SandboxPhase::kFailed;
  m.sandbox.status.conditions = {{"Ready", "False", "OOMKilled", "too much", std::nullopt}};
  EXPECT_EQ(Ending(m.Status()), "Failed MemoryLimitExceeded");
  m.sandbox.status.conditions[0].reason = "Evicted";
  EXPECT_EQ(Ending(m.Status()), "Lost SandboxLost");
  m.Ended(api::RunOutcome::kExited, 0);
  EXPECT_EQ(Ending(m.Status()), "Succeeded") << "the result came before the end";
  m.has_sandbox = false;
  EXPECT_EQ(Ending(m.Status()), "Cancelled SandboxDeleted");
}

TEST(CancelTest, EndsTheRunFirst) {
  Moment m;
  m.Claim();
  m.execution.spec.cancel = true;
  EXPECT_TRUE(m.Plans<CancelRun>());
  m.run.stage = Stage::kAsking;
  EXPECT_TRUE(m.Plans<CancelRun>()) << "a long poll is no reason to wait";
  m.run.cancel_sent = true;
  EXPECT_TRUE(m.Plans<Wait>());
  m.run.stage = Stage::kAccepted;
  EXPECT_TRUE(m.Plans<FollowRun>());
  m.run.stage = Stage::kUnreachable;
  EXPECT_TRUE(m.Plans<FollowRun>()) << "a cancelled run is never started";
  m.run.stage = Stage::kMissing;
  EXPECT_EQ(Ending(m.Status()), "Cancelled Cancelled");
  m.Ended(api::RunOutcome::kCancelled, 143);
  EXPECT_EQ(Ending(m.Status()), "Cancelled Cancelled");
}

// Found by the simulator: it was told to cancel again and again, and never ended.
TEST(CancelTest, EndsWhenTheSandboxWasReplacedUnderIt) {
  Moment m;
  m.Claim();
  m.sandbox.meta.uid = "another";
  m.sandbox.status.pod_uid = "another pod";
  EXPECT_EQ(Ending(m.Status()), "Cancelled SandboxDeleted");
  m.execution.spec.cancel = true;
  EXPECT_EQ(Ending(m.Status()), "Cancelled SandboxDeleted");
}

TEST(CancelTest, EndsWithinTheRunsDeadlineWhenTheRunnerCannotBeTold) {
  Moment m;
  m.Claim();
  m.execution.spec.cancel = true;
  m.run.stage = Stage::kUnreachable;
  EXPECT_TRUE(m.Plans<CancelRun>(61));
  EXPECT_EQ(Ending(m.Status(62)), "Lost RunnerUnresponsive");
}

}  // namespace
}  // namespace sandgate::op
