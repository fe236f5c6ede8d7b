// The network of a run: which domains it gets, what refuses it, what it waits for.
#include <gmock/gmock.h>

#include "operator/network_logic.h"
#include "tests/unit/operator_network_test_util.h"

namespace sandgate::op {
namespace {

using State = EgressView::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(NetworkDomainsTest, WhatARunGets) {
  const struct {
    Names ceiling, asked, granted;
    const char* refused = "";
    const char* says = "";
  } rows[] = {
      {{"example.com"}, {"example.com"}, {"example.com"}},
      {{"a.example", "b.example"}, {"b.example"}, {"b.example"}},
      {{"a.example", "b.example"}, {}, {"a.example", "b.example"}},
      {{"*.example.com"}, {"files.example.com"}, {"files.example.com"}},
      {{"*.example.com"}, {"*.example.com"}, {"*.example.com"}},
      // In another spelling it is the same name.
      {{"example.com"}, {"EXAMPLE.com."}, {"example.com"}},
      {{"example.com"}, {"example.com", "Example.COM"}, {"example.com"}},
      {{"xn--bcher-kva.example"},
       {"b\xC3\xBC"
        "cher.example"},
       {"xn--bcher-kva.example"}},
      {{"*.example.com"}, {"*.EXAMPLE.com"}, {"*.example.com"}},
      // A wildcard covers one label, and no other wildcard.
      {{"*.example.com"},
       {"example.com"},
       {},
       "NetworkNotAllowed",
       "The domain example.com is not"},
      {{"*.example.com"}, {"a.b.example.com"}, {}, "NetworkNotAllowed", "a.b.example.com is not"},
      {{"*.example.com"}, {"*.a.example.com"}, {}, "NetworkNotAllowed", "*.a.example.com is not"},
      {{"files.example.com"}, {"*.example.com"}, {}, "NetworkNotAllowed", "*.example.com is not"},
      {{"a.example"}, {"a.example", "b.example"}, {}, "NetworkNotAllowed", "b.example is not"},
      {{"example.com"}, {"example.com.evil.example"}, {}, "NetworkNotAllowed", "is not among"},
      {{}, {"example.com"}, {}, "NetworkNotAllowed", "is not among the Sandbox's"},
      {{}, {}, {}, "NetworkNotAllowed", "say in allowedDomains"},
      // No domains at all: the entry is named, and what is wrong with it.
      {{"a.example"},
       {"a.example", "10.0.0.1"},
       {},
       "InvalidDomain",
       "spec.network.allowedDomains[1] \"10.0.0.1\""},
      {{"a.example"}, {"0x7f.1"}, {}, "InvalidDomain", "allowedDomains[0] \"0x7f.1\""},
      {{"a.example"}, {"::1"}, {}, "InvalidDomain", "allowedDomains[0]"},
      {{"a.example"}, {"https://a.example/"}, {}, "InvalidDomain", "allowedDomains[0]"},
      {{"a.example"}, {"*"}, {}, "InvalidDomain", "whole first label"},
      {{"a.example"}, {"a.*.example"}, {}, "InvalidDomain", "whole first label"},
      {{"a.example"}, {"*.com"}, {}, "InvalidDomain", "public suffix"},
      {{"a.example"}, {"*.co.uk"}, {}, "InvalidDomain", "public suffix"},
      {{"a.example"}, {"localhost"}, {}, "InvalidDomain", "allowedDomains[0] \"localhost\""},
      {{"a.example"}, {""}, {}, "InvalidDomain", "allowedDomains[0]"},
      {{"a.example"}, {std::string("a.example\0.evil", 15)}, {}, "InvalidDomain", "character"},
  };
  for (const auto& row : rows) {
    Moment m;
    m.sandbox.status.effective->network_enabled = true;
    m.sandbox.status.effective->allowed_domains = row.ceiling;
    m.execution.spec.network_enabled = true;
    m.execution.spec.allowed_domains = row.asked;
    const RunDomains run =
        DomainsFor(m.execution.spec, *m.sandbox.status.effective, m.policy->sandbox());
    const std::string name = row.asked.empty() ? "(none)" : row.asked.back();
    EXPECT_EQ(run.domains, row.granted) << name;
    ASSERT_EQ(run.refused ? run.refused->code : std::string(), row.refused) << name;
    if (run.refused) {
      EXPECT_THAT(run.refused->message, HasSubstr(row.says)) << name;
    }
  }
}

TEST(NetworkDomainsTest, WithoutNetworkThereIsNothingToGrant) {
  Moment m;
  m.sandbox.status.effective->allowed_domains = {"a.example"};
  const auto domains = [&] {
    return DomainsFor(m.execution.spec, *m.sandbox.status.effective, m.policy->sandbox());
  };
  EXPECT_TRUE(domains().domains.empty());
  EXPECT_FALSE(domains().refused);
  m.execution.spec.network_enabled = true;
  EXPECT_STREQ(domains().refused->code, "NetworkNotAllowed") << "the Sandbox has none";
  m.sandbox.status.effective->network_enabled = true;
  EXPECT_THAT(domains().domains, ElementsAre("a.example"));
  m.execution.spec.operation = api::Operation::kReadFile;
  EXPECT_STREQ(domains().refused->code, "NetworkNotAllowed");
}

TEST(NetworkDomainsTest, AnInstallGetsThePolicysHosts) {
  std::string long_list = "[a.example";
  for (char c = 'a'; c < 'u'; ++c) {
    for (const char* part : {", ", ".", ".", "."}) long_list += part + std::string(60, c);
    long_list += ".example";
  }
  long_list += "]";
  const struct {
    const char* hosts;
    Names granted;
    const char* refused = "";
    const char* says = "";
  } rows[] = {
      {"[Index.Example, files.example, index.example]", {"index.example", "files.example"}},
      {"[mirror]", {}, "RegistryInvalid", "\"mirror\""},
      {"[10.0.0.1]", {}, "RegistryInvalid", "\"10.0.0.1\""},
      {"[]", {}, "RegistryNotConfigured", "names no host"},
      {long_list.c_str(), {}, "RegistryInvalid", "4096 characters"},
  };
  for (const auto& row : rows) {
    Moment m;
    m.policy =
        LoadPolicy(std::string("security: {sandbox: {network: {allowed_registries: {pypi: ") +
                   row.hosts + "}}}}");
    m.execution.spec.operation = api::Operation::kInstallPackage;
    m.execution.spec.allowed_domains = {"elsewhere.example"};
    m.sandbox.status.effective->network_enabled = true;
    const RunDomains run =
        DomainsFor(m.execution.spec, *m.sandbox.status.effective, m.policy->sandbox());
    EXPECT_EQ(run.domains, row.granted) << row.hosts;
    ASSERT_EQ(run.refused ? run.refused->code : std::string(), row.refused) << row.hosts;
    if (run.refused) {
      EXPECT_THAT(run.refused->message, HasSubstr(row.says));
    }
  }
}

TEST(NetworkDomainsTest, NoRunOutlivesTheLongestGrant) {
  Moment m = Networked();
  m.execution.spec.timeout_seconds = 86'400;
  const RunDomains run =
      DomainsFor(m.execution.spec, *m.sandbox.status.effective, m.policy->sandbox());
  ASSERT_TRUE(run.refused);
  EXPECT_STREQ(run.refused->code, "InvalidTimeout");
  EXPECT_THAT(run.refused->message, HasSubstr("86340 s"));
}

TEST(NetworkDomainsTest, ASandboxHasThemInNormalForm) {
  api::SandboxSpec spec;
  spec.language = api::Language::kPython;
  spec.network_enabled = true;
  spec.allowed_domains = {"EXAMPLE.com.",
                          "b\xC3\xBC"
                          "cher.example",
                          "example.com"};
  const auto limits = EffectiveLimits(policy::Policy::Default()->sandbox(), spec);
  ASSERT_TRUE(limits.ok()) << limits.status().message();
  EXPECT_THAT(limits->allowed_domains, ElementsAre("example.com", "xn--bcher-kva.example"));
  spec.allowed_domains = {"example.com", "*.com"};
  const auto bad = EffectiveLimits(policy::Policy::Default()->sandbox(), spec);
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.status().message(), HasSubstr("spec.network.allowedDomains[1] \"*.com\""));
}

TEST(NetworkDomainsTest, ASandboxWithABadOneFailsAtOnce) {
  Moment m;
  m.sandbox.status = {};
  m.sandbox.spec.network_enabled = true;
  m.sandbox.spec.allowed_domains = {"127.0.0.1"};
  SandboxObserved seen;
  seen.sandbox = &m.sandbox;
  seen.isolated = true;
  const SandboxPlan plan = ReconcileSandbox(seen, *m.policy, m.settings, At(1));
  const auto* write = std::get_if<WriteSandboxStatus>(&plan.action);
  ASSERT_NE(write, nullptr);
  EXPECT_EQ(write->status.phase, api::SandboxPhase::kFailed);
  const api::Condition* ready = api::FindCondition(write->status.conditions, "Ready");
  EXPECT_EQ(ready->reason, "InvalidSpec");
  EXPECT_THAT(ready->message, HasSubstr("spec.network.allowedDomains[0] \"127.0.0.1\""));
}

TEST(NetworkBeginTest, WhatRefusesItBeforeAnybodyIsAsked) {
  const struct {
    const char* ending;
    const char* says;
    void (*change)(Moment*);
  } rows[] = {
      {"Running", "", [](Moment*) {}},
      {"Failed InvalidDomain", "allowedDomains[0] \"10.0.0.1\"",
       [](Moment* m) { m->execution.spec.allowed_domains = {"10.0.0.1"}; }},
      {"Failed NetworkNotAllowed", "other.example",
       [](Moment* m) { m->execution.spec.allowed_domains = {"other.example"}; }},
      {"Failed NetworkUnavailable", "set egress.enabled",
       [](Moment* m) {
         m->egress = {State::kOff, "set egress.enabled"};
       }},
      {"Failed NetworkUnavailable", "Service is gone",
       [](Moment* m) {
         m->egress = {State::kBroken, "the Service is gone"};
       }},
      {"Failed NetworkNotIsolated", "not enforced for this Sandbox",
       [](Moment* m) { SetIsolated(m, "False"); }},
      {"Failed NetworkNotIsolated", "a probe got through",
       [](Moment* m) { SetIsolated(m, "False", "a probe got through"); }},
      {"Running", "", [](Moment* m) { SetIsolated(m, "Unknown"); }},
      {"Running", "", [](Moment* m) { SetIsolated(m, "True"); }},
  };
  for (const auto& row : rows) {
    for (const bool asks : {false, true}) {
      Moment m = Networked();
      if (asks) m.policy = policy::Policy::Default();
      row.change(&m);
      if (asks && std::string(row.ending) == "Running") {
        EXPECT_TRUE(m.Plans<CreateApproval>());
        continue;
      }
      const api::ExecutionStatus status = m.Status();
      EXPECT_EQ(Ending(status), row.ending);
      if (status.error) {
        EXPECT_THAT(status.error->message, HasSubstr(row.says));
      }
      EXPECT_TRUE(status.risk) << "what it would have been is said all the same";
    }
  }
}

TEST(NetworkBeginTest, RunsWithoutNetworkGoOnWhateverIsBroken) {
  for (const State state : {State::kOff, State::kBroken, State::kNotYet}) {
    Moment m;
    m.policy = AutoPolicy();
    m.egress = {state, "broken"};
    m.settings.require_isolation = true;
    SetIsolated(&m, "False");
    EXPECT_EQ(Ending(m.Status()), "Running");
  }
}

TEST(NetworkBeginTest, WhatIsThereSoonIsWaitedFor) {
  for (const bool asks : {false, true}) {
    Moment m = Networked();
    if (asks) m.policy = policy::Policy::Default();
    m.egress = {State::kNotYet, "the key is new"};
    const api::ExecutionStatus waits = m.Status();
    EXPECT_EQ(Ending(waits), "Pending");
    const api::Condition* ready = api::FindCondition(waits.conditions, kNetworkReadyCondition);
    ASSERT_NE(ready, nullptr);
    EXPECT_EQ(ready->reason, "NetworkUnavailable");
    EXPECT_EQ(ready->message, "the key is new");
    m.execution.status = waits;
    EXPECT_TRUE(m.Plans<Wait>(2)) << "and nothing is written again";
    EXPECT_EQ(m.Plan(2).again_at, At(4));
    EXPECT_TRUE(m.Plans<Wait>(60));
    EXPECT_EQ(Ending(m.Status(61)), "Failed NetworkUnavailable");
    m.egress = {State::kReady, ""};
    if (asks) {
      EXPECT_TRUE(m.Plans<CreateApproval>(5));
      continue;
    }
    const api::ExecutionStatus runs = m.Status(5);
    EXPECT_EQ(Ending(runs), "Running");
    EXPECT_EQ(api::FindCondition(runs.conditions, kNetworkReadyCondition)->status, "True");
  }
}

TEST(NetworkIsolationTest, WhatTheConditionSays) {
  Moment m;
  EXPECT_EQ(IsolationOf(m.sandbox), Isolation::kUnknown);
  SetIsolated(&m, "Unknown");
  EXPECT_EQ(IsolationOf(m.sandbox), Isolation::kUnknown);
  SetIsolated(&m, "False");
  EXPECT_EQ(IsolationOf(m.sandbox), Isolation::kOpen);
  SetIsolated(&m, "True");
  EXPECT_EQ(IsolationOf(m.sandbox), Isolation::kEnforced);
}

}  // namespace
}  // namespace sandgate::op
