#include <gtest/gtest.h>

#include "tests/unit/operator_sandbox_fixture.h"

namespace sandgate::op {
namespace {

using api::SandboxPhase;
using Moment = SandboxMoment;

TEST(SandboxTest, IsBuiltBehindItsNetworkPoliciesInFourWrites) {
  Moment m;
  EXPECT_TRUE(m.Plans<EnsureIsolation>()) << "I9: before any pod";
  m.seen.isolated = true;
  EXPECT_TRUE(m.Plans<CreateRunnerSecret>());
  m.seen.secret_made = true;
  const SandboxPlan create = m.Plan();
  ASSERT_TRUE(std::holds_alternative<CreatePod>(create.action));
  EXPECT_EQ(std::get<CreatePod>(create.action).limits.image, "python:3.11-slim");
  m.has_pod = true;
  EXPECT_TRUE(m.Plans<Idle>()) << "a pod that is just starting is not written about";
  m.PodRuns();
  EXPECT_TRUE(m.Plans<AskRunner>());
  m.seen.probe.state = Probe::State::kAsking;
  EXPECT_TRUE(m.Plans<Idle>());
  m.seen.probe.state = Probe::State::kAnswered;
  m.seen.probe.info.boot_id = "boot";
  EXPECT_TRUE(m.Plans<DeleteRunnerSecret>()) << "the key goes before anything can run";
  m.seen.secret_deleted = true;
  EXPECT_EQ(m.Writes(), "Ready RunnerAnswered");
  const api::SandboxStatus status = m.Status();
  EXPECT_EQ(status.pod_uid, "pod-uid");
  EXPECT_EQ(status.runner_boot_id, "boot");
  EXPECT_EQ(status.effective, m.pod.effective) << "what the pod was built with, not the policy now";
  m.sandbox.status = status;
  EXPECT_TRUE(m.Plans<Idle>()) << "I10";
}

TEST(SandboxTest, AnUnreachableRunnerIsAskedAgain) {
  Moment m;
  m.PodRuns();
  m.seen.probe.state = Probe::State::kFailed;
  m.seen.probe.retry_at = At(2);
  EXPECT_EQ(m.Plan(1).again_at, At(2));
  EXPECT_TRUE(m.Plans<AskRunner>(2));
  EXPECT_EQ(m.Writes(300), "Failed NotReadyInTime");
}

TEST(SandboxTest, SaysWhatIsWrongWithItsPodOnceAndFailsInTheEnd) {
  Moment m;
  m.has_pod = true;
  m.pod.containers = {{"sandbox", "ErrImagePull", "not found", "", 0, false}};
  EXPECT_EQ(m.Writes(1), "Pending ImagePullFailed");
  m.sandbox.status = m.Status(1);
  EXPECT_TRUE(m.Plans<Idle>(2));
  EXPECT_EQ(m.Writes(300), "Failed ImagePullFailed");
}

TEST(SandboxTest, ARefusalIsToldAndTriedAgainUntilTheDeadline) {
  Moment m;
  m.seen.refused = WhyRefused("pods \"sgsb-box\" is forbidden: exceeded quota: q", "gvisor");
  m.seen.retry_at = At(30);
  EXPECT_EQ(m.Writes(1), "Pending QuotaExceeded");
  m.sandbox.status = m.Status(1);
  EXPECT_EQ(m.Plan(2).again_at, At(30));
  EXPECT_TRUE(m.Plans<EnsureIsolation>(30));
  EXPECT_EQ(m.Writes(300), "Failed QuotaExceeded");
}

TEST(SandboxTest, ALostPodFailsItWithTheReason) {
  const struct {
    const char* writes;
    void (*change)(Moment*);
  } cases[] = {
      {"Failed PodDeleted", [](Moment* m) { m->has_pod = false; }},
      {"Failed PodReplaced", [](Moment* m) { m->pod.meta.uid = "another"; }},
      {"Failed PodDeleted", [](Moment* m) { m->pod.meta.deletion_time = kStart; }},
      {"Failed OOMKilled",
       [](Moment* m) {
         m->pod.phase = "Failed";
         m->pod.containers = {{"sandbox", "", "", "OOMKilled", 137, true}};
       }},
      {"Failed Evicted",
       [](Moment* m) {
         m->pod.phase = "Failed";
         m->pod.reason = "Evicted";
       }},
      {"Failed RunnerEnded",
       [](Moment* m) {
         m->pod.phase = "Failed";
         m->pod.containers = {{"sandbox", "", "", "Error", 1, true}};
       }},
  };
  for (const auto& one : cases) {
    Moment m;
    m.MakeReady();
    one.change(&m);
    EXPECT_EQ(m.Writes(), one.writes);
  }
}

TEST(SandboxTest, AFailedOneIsFinalAndKeepsNothingThatCosts) {
  Moment m;
  m.PodRuns();
  m.sandbox.status.phase = SandboxPhase::kFailed;
  EXPECT_TRUE(m.Plans<DeletePod>());
  m.has_pod = false;
  EXPECT_TRUE(m.Plans<DeleteRunnerSecret>());
  m.seen.secret_deleted = true;
  EXPECT_TRUE(m.Plans<Idle>());
}

TEST(SandboxTest, ItsPodGoesWithIt) {
  Moment m;
  m.MakeReady();
  m.sandbox.meta.deletion_time = kStart;
  EXPECT_TRUE(m.Plans<DeletePod>());
  m.has_sandbox = false;
  const SandboxPlan plan = m.Plan();
  ASSERT_TRUE(std::holds_alternative<DeleteOrphan>(plan.action));
  EXPECT_EQ(std::get<DeleteOrphan>(plan.action).sandbox_uid, "sandbox-uid");
  m.pod.meta.deletion_time = kStart;
  EXPECT_TRUE(m.Plans<Idle>());
}

TEST(SandboxTest, AStrangersPodIsNeverUsed) {
  Moment m;
  m.PodRuns();
  m.pod.meta.owners[0].uid = "an earlier one";
  EXPECT_TRUE(m.Plans<DeleteOrphan>());
  m.pod.meta.owners.clear();
  EXPECT_TRUE(m.Plans<Idle>());
  EXPECT_EQ(m.Writes(300), "Failed NotReadyInTime");
}

TEST(SandboxTest, ClocksDeleteItAndZeroSwitchesThemOff) {
  Moment m;
  m.MakeReady();
  EXPECT_EQ(m.Plan(1).again_at, At(1800));
  EXPECT_TRUE(m.Plans<DeleteIdleSandbox>(1800));
  m.seen.activity.last = At(1000);
  EXPECT_EQ(m.Plan(1800).again_at, At(2800));
  m.seen.activity.active = 1;
  EXPECT_EQ(m.Plan(5000).again_at, At(86'400)) << "something runs";
  EXPECT_TRUE(m.Plans<DeleteExpiredSandbox>(86'400));
  m.sandbox.spec.ttl_seconds = 0;
  m.sandbox.spec.idle_timeout_seconds = 0;
  EXPECT_EQ(m.Plan(1'000'000).again_at, std::nullopt);
  m.sandbox.spec.ttl_seconds = 10;
  EXPECT_TRUE(m.Plans<DeleteExpiredSandbox>(10));
}

TEST(SandboxTest, BrokenRulesAreReportedOnChangeOnly) {
  Moment m;
  m.MakeReady();
  m.seen.guard = {GuardView::State::kBroken, "sandgate-approvals is missing"};
  const api::SandboxStatus status = m.Status();
  EXPECT_EQ(api::FindCondition(status.conditions, "AdmissionPoliciesIntact")->status, "False");
  m.sandbox.status = status;
  EXPECT_TRUE(m.Plans<Idle>());
  m.seen.guard = {GuardView::State::kIntact, ""};
  m.sandbox.status = m.Status();
  EXPECT_EQ(api::FindCondition(m.sandbox.status.conditions, "AdmissionPoliciesIntact")->status,
            "True");
  EXPECT_TRUE(m.Plans<Idle>());
}

TEST(SandboxTest, MendsTheNamespacesPoliciesAsLongAsItLives) {
  Moment m;
  m.MakeReady();
  m.seen.isolated = false;
  EXPECT_TRUE(m.Plans<EnsureIsolation>());
}

TEST(SandboxTest, ASpecAboveTheCeilingFailsWithTheField) {
  Moment m;
  m.sandbox.spec.memory = "64Gi";
  EXPECT_EQ(m.Writes(), "Failed InvalidSpec");
}

}  // namespace
}  // namespace sandgate::op
