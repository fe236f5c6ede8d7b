// When a Sandbox is measured, what waits for it, and what it says about it.
#include <gtest/gtest.h>

#include "tests/unit/operator_sandbox_fixture.h"

namespace sandgate::op {
namespace {

using State = IsolationView::State;

const IsolationVerdict kHeld{Isolation::kEnforced, "PolicyEnforced", "held"},
    kFree{Isolation::kOpen, "PolicyNotEnforced", "free"},
    kNobodyKnows{Isolation::kUnknown, "ProbeFailed", "?"};

struct Moment : SandboxMoment {
  // Its runner has answered; only its key is still there.
  void RunnerAnswered(bool networked) {
    PodRuns();
    pod.effective->network_enabled = networked;
    seen.probe.state = Probe::State::kAnswered;
    seen.probe.info.boot_id = "boot";
    seen.isolation.state = State::kNone;
  }
  void Know(const IsolationVerdict& verdict, bool due = false) {
    seen.isolation.cluster = verdict;
    seen.isolation.cluster_known = true;
    seen.isolation.cluster_due = due;
  }
  void Measured(const IsolationVerdict& verdict) {
    seen.isolation.state = State::kDone;
    seen.isolation.verdict = verdict;
    seen.isolation.retry_at = At(61);
  }
  void BecomeReady() {
    seen.secret_deleted = true;
    sandbox.status = Status();
    ASSERT_EQ(sandbox.status.phase, api::SandboxPhase::kReady);
  }
  // "Ready False PolicyNotEnforced": what it writes when nothing else is left to do.
  std::string Says() {
    seen.secret_deleted = true;
    const api::SandboxStatus status = Status();
    const api::Condition* isolated =
        api::FindCondition(status.conditions, kNetworkIsolatedCondition);
    const std::string phase = status.phase ? api::SandboxPhaseName(*status.phase) : "";
    if (isolated == nullptr) return phase;
    return phase + " " + isolated->status + " " + isolated->reason;
  }
};

TEST(SandboxIsolationTest, TheFirstOfAClusterIsMeasuredBeforeItIsReady) {
  Moment m;
  m.RunnerAnswered(false);
  EXPECT_TRUE(m.Plans<ProbeIsolation>());
  m.seen.isolation.state = State::kAsking;
  EXPECT_TRUE(m.Plans<DeleteRunnerSecret>()) << "nothing stands still meanwhile";
  m.seen.secret_deleted = true;
  EXPECT_TRUE(m.Plans<Idle>());
  m.seen.isolation.state = State::kAgain;
  m.seen.isolation.retry_at = At(3);
  EXPECT_EQ(m.Plan(2).again_at, At(3));
  EXPECT_TRUE(m.Plans<ProbeIsolation>(3));
  m.Measured(kHeld);
  EXPECT_EQ(m.Says(), "Ready True PolicyEnforced");
}

TEST(SandboxIsolationTest, AfterThatAirGappedOnesWaitForNothing) {
  for (const IsolationVerdict& verdict : {kHeld, kFree, kNobodyKnows}) {
    Moment m;
    m.RunnerAnswered(false);
    m.Know(verdict);
    EXPECT_TRUE(m.Plans<DeleteRunnerSecret>()) << "it is not measured itself";
    EXPECT_EQ(m.Says(), "Ready " + IsolationCondition(verdict, {}).status + " " + verdict.reason);
  }
}

TEST(SandboxIsolationTest, AnOldAnswerIsRefreshedBesideTheNextOne) {
  Moment m;
  m.RunnerAnswered(false);
  m.Know(kFree, true);
  EXPECT_TRUE(m.Plans<ProbeIsolation>());
  m.seen.isolation.state = State::kAsking;
  EXPECT_EQ(m.Says(), "Ready False PolicyNotEnforced") << "without waiting";
  m.BecomeReady();
  EXPECT_TRUE(m.Plans<Idle>());
  m.seen.isolation.state = State::kAgain;
  m.seen.isolation.retry_at = At(3);
  EXPECT_EQ(m.Plan(2).again_at, At(3));
  EXPECT_TRUE(m.Plans<ProbeIsolation>(3)) << "what was begun is finished";
  m.Measured(kHeld);
  EXPECT_TRUE(m.Plans<Idle>(100)) << "and is not written: it is for the next ones";
}

TEST(SandboxIsolationTest, AMeasurementThatFailedDoesNotHideWhatIsKnown) {
  Moment m;
  m.RunnerAnswered(false);
  m.Know(kHeld, true);
  m.Measured(kNobodyKnows);
  EXPECT_EQ(m.Says(), "Ready True PolicyEnforced");
}

TEST(SandboxIsolationTest, OneThatMayHaveNetworkIsAlwaysMeasuredItself) {
  for (const IsolationVerdict& verdict : {kHeld, kFree, kNobodyKnows}) {
    Moment m;
    m.RunnerAnswered(true);
    m.Know(kHeld);
    EXPECT_TRUE(m.Plans<ProbeIsolation>());
    m.seen.isolation.state = State::kAsking;
    m.seen.secret_deleted = true;
    EXPECT_TRUE(m.Plans<Idle>());
    m.Measured(verdict);
    EXPECT_EQ(m.Says(), "Ready " + IsolationCondition(verdict, {}).status + " " + verdict.reason)
        << "whatever it is: code without network runs in it all the same";
  }
}

TEST(SandboxIsolationTest, OneThatIsNotHeldIsMeasuredAgainAndWrittenOnlyWhenThatChanges) {
  Moment m;
  m.RunnerAnswered(true);
  m.Measured(kFree);
  m.BecomeReady();
  EXPECT_EQ(m.Plan(2).again_at, At(61));
  EXPECT_TRUE(m.Plans<Idle>(60));
  EXPECT_TRUE(m.Plans<ProbeIsolation>(61));
  m.seen.isolation.state = State::kAsking;
  EXPECT_TRUE(m.Plans<Idle>(62));
  IsolationVerdict same = kFree;
  same.message = "in other words";
  m.Measured(same);
  EXPECT_TRUE(m.Plans<Idle>(2)) << "I10";
  m.Measured(kHeld);
  EXPECT_EQ(m.Says(), "Ready True PolicyEnforced");
  m.sandbox.status = m.Status();
  EXPECT_TRUE(m.Plans<Idle>(1000)) << "what is held is believed";
  // A new operator knows nothing, and asks nothing of those that are held.
  m.seen.isolation = {};
  m.seen.isolation.state = State::kNone;
  EXPECT_TRUE(m.Plans<Idle>(1000));
}

TEST(SandboxIsolationTest, OneThatWasReadyBeforeIsMeasuredOnce) {
  Moment m;
  m.MakeReady();
  m.seen.isolation.state = State::kNone;
  m.sandbox.status.effective = *m.pod.effective;
  EXPECT_TRUE(m.Plans<Idle>()) << "an air-gapped one says nothing, and loses nothing";
  m.sandbox.status.effective->network_enabled = true;
  EXPECT_TRUE(m.Plans<ProbeIsolation>());
  m.seen.isolated = false;
  EXPECT_TRUE(m.Plans<EnsureIsolation>()) << "the policies come first";
  m.has_pod = false;
  EXPECT_EQ(m.Writes(), "Failed PodDeleted");
}

TEST(SandboxIsolationTest, WithoutAProbeNothingIsSaid) {
  Moment m;
  m.RunnerAnswered(true);
  m.seen.isolation = {};
  EXPECT_TRUE(m.Plans<DeleteRunnerSecret>());
  EXPECT_EQ(m.Says(), "Ready");
  m.BecomeReady();
  EXPECT_TRUE(m.Plans<Idle>(1000));
}

TEST(SandboxIsolationTest, NoMeasurementKeepsOneFromFailingInTime) {
  Moment m;
  m.RunnerAnswered(true);
  m.seen.secret_deleted = true;
  m.seen.isolation.state = State::kAgain;
  m.seen.isolation.retry_at = At(400);
  EXPECT_EQ(m.Plan(299).again_at, At(300));
  EXPECT_EQ(m.Writes(300), "Failed NotReadyInTime");
}

}  // namespace
}  // namespace sandgate::op
