// The network of a run from the approver's view of it to its start.
#include <gmock/gmock.h>

#include "operator/approval_request.h"
#include "operator/network_logic.h"
#include "tests/unit/operator_network_test_util.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;
using Stage = RunView::Stage;
using State = EgressView::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// What approvers are shown, and what they are bound to.

TEST(NetworkApprovalTest, TheApproverSeesWhatIsGranted) {
  Moment m;
  m.WantNetwork({"a.example", "*.b.example"}, {});
  const ExecutionPlan plan = m.Plan();
  const auto* create = std::get_if<CreateApproval>(&plan.action);
  ASSERT_NE(create, nullptr);
  const api::ApprovalSummary& summary = create->request.summary;
  EXPECT_THAT(summary.domains, ElementsAre("a.example", "*.b.example"));
  EXPECT_THAT(summary.text, HasSubstr("with network to a.example, *.b.example. Risk CRITICAL"));
  EXPECT_THAT(summary.text, HasSubstr("Network stays a way out for data"));
  EXPECT_THAT(summary.text, HasSubstr("earlier runs left"));
  EXPECT_EQ(summary.text.find('\n'), std::string::npos);
}

TEST(NetworkApprovalTest, ALongListIsCountedInTheText) {
  Names many;
  for (int i = 0; i < 64; ++i) many.push_back("host-" + std::to_string(i) + ".example.com");
  Moment m;
  m.WantNetwork(many, {});
  const ExecutionPlan plan = m.Plan();
  const auto* create = std::get_if<CreateApproval>(&plan.action);
  ASSERT_NE(create, nullptr);
  EXPECT_EQ(create->request.summary.domains, many);
  EXPECT_THAT(create->request.summary.text, HasSubstr("host-0.example.com, host-1.example.com"));
  EXPECT_THAT(create->request.summary.text, HasSubstr(" more. Risk"));
}

TEST(NetworkApprovalTest, WithoutNetworkNothingStaysPossible) {
  Moment m;
  const ExecutionPlan plan = m.Plan();
  const auto* create = std::get_if<CreateApproval>(&plan.action);
  ASSERT_NE(create, nullptr);
  EXPECT_TRUE(create->request.summary.domains.empty());
  EXPECT_THAT(create->request.summary.text, HasSubstr("without network"));
  EXPECT_THAT(create->request.summary.text, Not(HasSubstr("way out")));
}

TEST(NetworkApprovalTest, AnInstallShowsThePolicysHosts) {
  Moment m;
  m.policy =
      LoadPolicy("security: {sandbox: {network: {allowed_registries: {pypi: [index.example]}}}}");
  m.execution.spec.operation = api::Operation::kInstallPackage;
  m.execution.spec.code.clear();
  m.execution.spec.package = "requests";
  m.sandbox.status.effective->network_enabled = true;
  const ExecutionPlan plan = m.Plan();
  const auto* create = std::get_if<CreateApproval>(&plan.action);
  ASSERT_NE(create, nullptr);
  EXPECT_THAT(create->request.summary.domains, ElementsAre("index.example"));
  EXPECT_THAT(create->request.summary.text, HasSubstr("with network to index.example."));
  EXPECT_EQ(create->request.spec_hash, m.Hash());
}

TEST(NetworkApprovalTest, TheHashCoversWhatIsGranted) {
  const auto hash = [](const Names& ceiling, const Names& domains) {
    Moment m;
    m.WantNetwork(ceiling, domains);
    return m.Hash();
  };
  const std::string all = hash({"a.example", "b.example"}, {"a.example", "b.example"});
  EXPECT_NE(hash({"a.example", "b.example"}, {"a.example"}), all);
  EXPECT_NE(hash({"a.example", "c.example"}, {}), hash({"a.example", "b.example"}, {}));
  // The policy's hosts of an install.
  Moment m;
  m.execution.spec.operation = api::Operation::kInstallPackage;
  m.sandbox.status.effective->network_enabled = true;
  const auto install = [&](const Names& hosts) {
    return AdmissionHash(m.execution, m.sandbox, *m.sandbox.status.effective, hosts, "rev");
  };
  EXPECT_NE(install({"index.example"}), install({"index.example", "other.example"}));
}

TEST(NetworkApprovalTest, ItIsVoidWhenTheSandboxGrantsLess) {
  Moment m;
  m.WantNetwork({"a.example", "b.example"}, {});
  m.Ask();
  m.sandbox.status.effective->allowed_domains = {"a.example"};
  EXPECT_EQ(m.Settled(), "Denied");
  m.sandbox.status.effective->allowed_domains = {};
  EXPECT_EQ(m.Settled(), "Denied");
}

// A condition about the domains is held against those that the run would get.
TEST(NetworkApprovalTest, ThePolicyJudgesWhatIsGranted) {
  Moment m = Networked({"internal.example", "a.example"}, {});
  m.policy = LoadPolicy(
      "security: {hitl: {default_rules: false, rules: [{tools: [code_execute], risk: LOW},"
      " {tools: [code_execute], risk: CRITICAL,"
      "  conditions: [{param: allowed_domains, matches: '^internal[.]'}]}]}}");
  const ExecutionPlan plan = m.Plan();
  ASSERT_TRUE(std::holds_alternative<CreateApproval>(plan.action)) << "though it names none";
  m.execution.spec.allowed_domains = {"A.EXAMPLE"};
  EXPECT_EQ(Ending(m.Status()), "Running");
  m.execution.spec.allowed_domains = {"INTERNAL.example."};
  EXPECT_TRUE(m.Plans<CreateApproval>()) << "in any spelling";
}

TEST(NetworkAdmitTest, TheAdmissionSaysWhatIsGranted) {
  Moment m = Networked({"a.example", "b.example"}, {"B.example"});
  const api::ExecutionStatus status = m.Status();
  ASSERT_TRUE(status.admission);
  EXPECT_THAT(status.admission->domains, ElementsAre("b.example"));
  EXPECT_EQ(status.admission->spec_hash, m.Hash());
}

TEST(NetworkAdmitTest, NothingIsClaimedWhileTheNetworkIsMissing) {
  const struct {
    const char* what;
    void (*change)(Moment*);
  } rows[] = {
      {"NetworkUnavailable",
       [](Moment* m) {
         m->egress = {State::kNotYet, "soon"};
       }},
      {"NetworkUnavailable",
       [](Moment* m) {
         m->egress = {State::kBroken, "gone"};
       }},
      {"NetworkNotIsolated", [](Moment* m) { m->settings.require_isolation = true; }},
      {"NetworkNotIsolated",
       [](Moment* m) {
         m->settings.require_isolation = true;
         SetIsolated(m, "Unknown");
       }},
  };
  for (const auto& row : rows) {
    Moment approved = Networked();
    approved.Ask();
    approved.approval.phase = api::ApprovalPhase::kApproved;
    approved.Decide(api::Verdict::kApproved);
    row.change(&approved);
    const api::ExecutionStatus admitted = approved.Status();
    EXPECT_EQ(Ending(admitted), "Admitted") << row.what;
    EXPECT_FALSE(admitted.claim);

    Moment m = Networked();
    m.Admit();
    row.change(&m);
    const api::ExecutionStatus waits = m.Status(5);
    EXPECT_EQ(Ending(waits), "Admitted");
    m.execution.status = waits;
    EXPECT_TRUE(m.Plans<Wait>(64));
    EXPECT_EQ(Ending(m.Status(65)), std::string("Failed ") + row.what);
    m.egress = {State::kReady, ""};
    SetIsolated(&m, "True");
    EXPECT_EQ(Ending(m.Status(64)), "Running");
  }
}

TEST(NetworkAdmitTest, WhatIsForbiddenMeanwhileEndsIt) {
  Moment m = Networked();
  m.Admit();
  SetIsolated(&m, "False");
  EXPECT_EQ(Ending(m.Status()), "Failed NetworkNotIsolated");
  m = Networked();
  m.Admit();
  m.egress = {State::kOff, "none"};
  EXPECT_EQ(Ending(m.Status()), "Failed NetworkUnavailable");
  m = Networked({"a.example"}, {});
  m.Admit();
  m.sandbox.status.effective->allowed_domains = {"b.example"};
  EXPECT_EQ(Ending(m.Status()), "Failed AdmissionMismatch");
}

TEST(NetworkAdmitTest, OthersGoFirstAndItWaitsForItsTurnAlone) {
  Moment m = Networked();
  m.Admit();
  m.load.busy = true;
  m.egress = {State::kNotYet, "soon"};
  EXPECT_TRUE(m.Plans<Wait>(1000)) << "it is not its turn, so nothing is missing yet";
}

// A run that was claimed. Its time is 30 s, and 2 s more until it is killed.
TEST(NetworkStartTest, WithItsNetworkOrNotAtAll) {
  const struct {
    State state;
    Stage stage;
    int64_t second;
    const char* plan;
  } rows[] = {
      {State::kReady, Stage::kUnknown, 1, "start"},
      {State::kReady, Stage::kMissing, 1, "start"},
      {State::kReady, Stage::kUnreachable, 1, "start"},
      {State::kReady, Stage::kMissing, 31, "start"},
      // It may have started: that is asked before anything is said about it.
      {State::kNotYet, Stage::kUnknown, 1, "follow"},
      {State::kBroken, Stage::kUnreachable, 1, "follow"},
      {State::kOff, Stage::kUnknown, 1, "follow"},
      {State::kReady, Stage::kUnknown, 32, "follow"},
      // It has not.
      {State::kNotYet, Stage::kMissing, 1, "Running"},
      {State::kBroken, Stage::kMissing, 31, "Running"},
      {State::kOff, Stage::kMissing, 1, "Failed NetworkUnavailable"},
      {State::kNotYet, Stage::kMissing, 32, "Failed NetworkUnavailable"},
      {State::kReady, Stage::kMissing, 32, "Failed NetworkUnavailable"},
  };
  for (const auto& row : rows) {
    Moment m = Networked();
    m.Claim();
    m.egress = {row.state, row.state == State::kReady ? "" : "no way"};
    m.run.stage = row.stage;
    std::string plan = "start";
    if (m.Plans<FollowRun>(row.second)) {
      plan = "follow";
    } else if (!m.Plans<StartRun>(row.second)) {
      plan = Ending(m.Status(row.second));
    }
    EXPECT_EQ(plan, row.plan) << static_cast<int>(row.state) << " " << static_cast<int>(row.stage)
                              << " " << row.second;
  }
}

TEST(NetworkStartTest, WhatIsForbiddenMeanwhileDoesNotStart) {
  Moment m = Networked();
  m.Claim();
  m.run.stage = Stage::kMissing;
  SetIsolated(&m, "False");
  EXPECT_EQ(Ending(m.Status()), "Failed NetworkNotIsolated");
}

TEST(NetworkStartTest, WhatWasAdmittedAndNothingElse) {
  Moment m = Networked({"a.example", "b.example"}, {"a.example"});
  m.Claim();
  const auto admitted = Admit(m.execution, m.sandbox, m.policy->sandbox());
  ASSERT_TRUE(admitted.ok()) << admitted.status().message();
  EXPECT_THAT(admitted->domains(), ElementsAre("a.example"));
  EXPECT_EQ(admitted->deadline(), At(32));
  EXPECT_FALSE(admitted->request().network) << "whoever starts it adds the way out";
  m.execution.status.admission->domains = {"a.example", "b.example"};
  EXPECT_FALSE(Admit(m.execution, m.sandbox, m.policy->sandbox()).ok());
  m.execution.status.admission->domains = {};
  EXPECT_FALSE(Admit(m.execution, m.sandbox, m.policy->sandbox()).ok());

  Moment other;
  other.Claim();
  other.execution.status.admission->domains = {"a.example"};
  EXPECT_FALSE(Admit(other.execution, other.sandbox, other.policy->sandbox()).ok())
      << "a run without network has no domains";
}

// A policy that changed while an install runs does not end it: an operator that comes back asks.
TEST(NetworkStartTest, AnInstallThatRunsIsFollowedWhateverThePolicySays) {
  Moment m;
  m.policy = LoadPolicy(
      "security: {sandbox: {network: {allowed_registries: {pypi: [index.example]}}}, hitl: "
      "{default_rules: false, rules: [{tools: [code_install_package], risk: LOW}]}}");
  m.execution.spec.operation = api::Operation::kInstallPackage;
  m.execution.spec.code.clear();
  m.execution.spec.package = "requests";
  m.sandbox.status.effective->network_enabled = true;
  m.Claim();
  EXPECT_TRUE(m.Plans<StartRun>());
  for (const char* hosts : {"[other.example]", "[]"}) {
    m.policy = LoadPolicy(
        std::string("security: {sandbox: {network: {allowed_registries: {pypi: ") + hosts +
        "}}}, hitl: {default_rules: false, rules: [{tools: [code_install_package], risk: LOW}]}}");
    m.run.stage = Stage::kUnknown;
    EXPECT_TRUE(m.Plans<FollowRun>()) << hosts;
    m.run.stage = Stage::kMissing;
    EXPECT_EQ(m.Status().phase, ExecutionPhase::kFailed) << hosts;
  }
}

}  // namespace
}  // namespace sandgate::op
