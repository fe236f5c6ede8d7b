// How an attempt to leave a sandbox's pod is judged, and what a measurement of the network says.
#include <gtest/gtest.h>

#include "operator/isolation_logic.h"
#include "operator/isolation_prober.h"

namespace sandgate::op {
namespace {

using api::Json;
using api::ProbeOutcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

const base::Status kNoAnswer(base::Code::kUnavailable, "connecting: refused");

std::string Judged(const ProbeAttempt& attempt, base::Duration since,
                   const ForeignPolicies& foreign = {}) {
  const auto verdict = Judge(attempt, foreign, since);
  if (!verdict) return "again";
  const api::Condition condition = IsolationCondition(*verdict, {});
  EXPECT_EQ(condition.type, "NetworkIsolated");
  EXPECT_FALSE(condition.message.empty());
  return condition.status + " " + condition.reason;
}

TEST(IsolationTest, AnAttemptIsJudgedByBothEnds) {
  const struct {
    const char* what;
    ProbeAttempt attempt;
    const char* at_once;
    const char* after_patience;
  } cases[] = {
      {"dropped",
       {true, false, ProbeOutcome::kTimedOut},
       "True PolicyEnforced",
       "True PolicyEnforced"},
      {"rejected",
       {true, false, ProbeOutcome::kRefused},
       "True PolicyEnforced",
       "True PolicyEnforced"},
      {"no route",
       {true, false, ProbeOutcome::kUnreachable},
       "True PolicyEnforced",
       "True PolicyEnforced"},
      {"policies that are not there yet, or never will be",
       {true, true, ProbeOutcome::kConnected},
       "again",
       "False PolicyNotEnforced"},
      {"arrived, though the runner denies it",
       {true, true, ProbeOutcome::kTimedOut},
       "again",
       "False PolicyNotEnforced"},
      {"arrived, though the runner's answer was lost",
       {true, true, kNoAnswer},
       "again",
       "False PolicyNotEnforced"},
      {"arrived under another address",
       {true, false, ProbeOutcome::kConnected},
       "again",
       "False PolicyNotEnforced"},
      {"a listener that nobody reaches",
       {false, false, ProbeOutcome::kTimedOut},
       "again",
       "Unknown NotListening"},
      {"a listener that only we do not reach",
       {false, true, ProbeOutcome::kConnected},
       "again",
       "False PolicyNotEnforced"},
      {"a runner that cannot be asked", {true, false, kNoAnswer}, "again", "Unknown ProbeFailed"},
      {"nothing works", {false, false, kNoAnswer}, "again", "Unknown ProbeFailed"},
  };
  for (const auto& [what, attempt, at_once, after_patience] : cases) {
    EXPECT_EQ(Judged(attempt, milliseconds(1)), at_once) << what;
    EXPECT_EQ(Judged(attempt, kEnforcementPatience - milliseconds(1)), at_once) << what;
    EXPECT_EQ(Judged(attempt, kEnforcementPatience), after_patience) << what;
  }
}

TEST(IsolationTest, SomebodyElsesPolicyIsNotTheClustersFault) {
  const ForeignPolicies foreign{{"allow-all"}, 1, true};
  const ProbeAttempt reached{true, true, ProbeOutcome::kConnected};
  EXPECT_EQ(Judged(reached, kEnforcementPatience, foreign), "False OtherPolicyAllows");
  EXPECT_EQ(Judged(reached, kEnforcementPatience, {{"into"}, 1, false}), "False PolicyNotEnforced");
  EXPECT_EQ(Judged({true, false, ProbeOutcome::kTimedOut}, milliseconds(1), foreign),
            "True PolicyEnforced");
}

TEST(IsolationTest, AttemptsComeSoonAndThenLessOften) {
  EXPECT_EQ(ProbePause(milliseconds(0)), kProbeAgain);
  EXPECT_EQ(ProbePause(seconds(2)), milliseconds(500));
  EXPECT_EQ(ProbePause(seconds(60)), kProbeAgainMost);
}

Json Policy(const char* name, const char* selector, const char* rest) {
  return *api::ParseJson(std::string(R"({"metadata": {"name": ")") + name +
                         R"("}, "spec": {"podSelector": )" + selector + ", " + rest + "}}");
}

constexpr char kAllowOut[] = R"("policyTypes": ["Egress"], "egress": [{}])";
constexpr char kAllowIn[] = R"("policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 1}]}])";
constexpr char kDenyAll[] = R"("policyTypes": ["Ingress", "Egress"])";

TEST(IsolationTest, FindsThePoliciesThatAddSomethingToASandboxesPod) {
  const std::map<std::string, std::string> labels = {{"sandgate.dev/sandbox", "box"},
                                                     {"app.kubernetes.io/managed-by", "us"}};
  const struct {
    const char* selector;
    const char* rest;
    bool counts, egress;
  } cases[] = {
      {"{}", kAllowOut, true, true},
      {"{}", kAllowIn, true, false},
      {"{}", kDenyAll, false, false},
      {"{}", R"("policyTypes": ["Ingress"], "egress": [{}])", false, false},
      {"{}", R"("policyTypes": ["Egress"], "egress": [])", false, false},
      {R"({"matchLabels": {"sandgate.dev/sandbox": "box"}})", kAllowOut, true, true},
      {R"({"matchLabels": {"sandgate.dev/sandbox": "other"}})", kAllowOut, false, false},
      {R"({"matchLabels": {"app": "web"}})", kAllowOut, false, false},
      {R"({"matchExpressions": [{"key": "sandgate.dev/sandbox", "operator": "Exists"}]})",
       kAllowOut, true, true},
      {R"({"matchExpressions": [{"key": "sandgate.dev/sandbox", "operator": "DoesNotExist"}]})",
       kAllowOut, false, false},
      {R"({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})", kAllowOut, true,
       true},
      {R"({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]})",
       kAllowOut, true, true},
      {R"({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]})", kAllowOut,
       false, false},
      {R"({"matchExpressions":
          [{"key": "sandgate.dev/sandbox", "operator": "In", "values": ["a", "box"]}]})",
       kAllowOut, true, true},
      {R"({"matchExpressions":
          [{"key": "sandgate.dev/sandbox", "operator": "NotIn", "values": ["box"]}]})",
       kAllowOut, false, false},
      {R"({"matchLabels": {"sandgate.dev/sandbox": "box"},
           "matchExpressions": [{"key": "app", "operator": "Exists"}]})",
       kAllowOut, false, false},
      {R"({"matchExpressions": [{"key": "app", "operator": "IsOfTomorrow"}]})", kAllowOut, true,
       true},
  };
  for (const auto& [selector, rest, counts, egress] : cases) {
    const ForeignPolicies found = FindForeignPolicies({Policy("p", selector, rest)}, labels);
    EXPECT_EQ(found.count, counts ? 1u : 0u) << selector << rest;
    EXPECT_EQ(found.allow_egress, egress) << selector << rest;
    EXPECT_EQ(FindForeignPolicies({Policy("sandgate-sandboxes", selector, rest)}, labels).count, 0u)
        << "our own are none of them";
  }
}

TEST(IsolationTest, TheConditionNamesAFewOfThem) {
  const IsolationVerdict verdict{Isolation::kEnforced, "PolicyEnforced", "It holds."};
  EXPECT_EQ(IsolationCondition(verdict, {}).message, "It holds.");
  std::vector<Json> policies;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    policies.push_back(Policy(name, "{}", kAllowIn));
  }
  const ForeignPolicies found = FindForeignPolicies(policies, {});
  EXPECT_EQ(found.names.size(), kMaxPoliciesNamed);
  EXPECT_EQ(IsolationCondition(verdict, found).message,
            "It holds. Other NetworkPolicies select this pod and allow it more: a b c d e and 2 "
            "more.");
}

TEST(IsolationTest, WhatIsKnownOfTheClusterIsTheLastThingMeasured) {
  const base::Time start = *base::ParseTime("2030-01-01T00:00:00Z");
  const IsolationVerdict enforced{Isolation::kEnforced, "a", ""}, open{Isolation::kOpen, "b", ""},
      unknown{Isolation::kUnknown, "c", ""};
  ClusterIsolation cluster;
  EXPECT_FALSE(cluster.Known(start));
  EXPECT_TRUE(cluster.Due(start));
  cluster.Learn(open, {{"theirs"}, 1, true}, true, start);
  EXPECT_FALSE(cluster.Known(start)) << "a pod that another policy opened says nothing";
  cluster.Learn(unknown, {}, false, start);
  EXPECT_FALSE(cluster.Known(start)) << "the runner of an old sandbox may not know the question";
  cluster.Learn(unknown, {}, true, start);
  EXPECT_TRUE(cluster.Known(start)) << "nobody else waits for what cannot be measured";
  EXPECT_FALSE(cluster.Known(start + kMeasureAgain)) << "for a minute";
  cluster.Learn(enforced, {}, true, start);
  cluster.Learn(unknown, {}, true, start + seconds(1));
  EXPECT_EQ(cluster.verdict, enforced);
  EXPECT_TRUE(cluster.Known(start + kClusterAnswerFor));
  EXPECT_FALSE(cluster.Due(start + kClusterAnswerFor - seconds(1)));
  EXPECT_TRUE(cluster.Due(start + kClusterAnswerFor));
  cluster.Learn(open, {}, false, start);
  EXPECT_EQ(cluster.verdict, open);
  EXPECT_FALSE(cluster.Due(start + kMeasureAgain - seconds(1)));
  EXPECT_TRUE(cluster.Due(start + kMeasureAgain)) << "a bad answer is looked at sooner";
  cluster.asked = start + kMeasureAgain;
  EXPECT_FALSE(cluster.Due(start + kMeasureAgain)) << "one at a time";
  EXPECT_TRUE(cluster.Due(start + kMeasureAgain + kClusterAskedFor));
  EXPECT_EQ(IsolationValue(Isolation::kEnforced), 1);
  EXPECT_EQ(IsolationValue(Isolation::kOpen), 0);
  EXPECT_EQ(IsolationValue(Isolation::kUnknown), -1);
}

class HandClock final : public base::Clock {
 public:
  base::Time Now() const override { return base::Time(std::chrono::hours(1'000'000) + passed); }
  base::MonotonicTime MonotonicNow() const override { return base::MonotonicTime(passed); }

  milliseconds passed{0};
};

class HandArrivals final : public Arrivals {
 public:
  uint64_t Expect(const std::string& ip) override {
    expected.push_back(ip);
    return expected.size();
  }
  Heard Take(uint64_t ticket) override {
    taken.push_back(ticket);
    return heard;
  }

  Heard heard{true, false};
  std::vector<std::string> expected;
  std::vector<uint64_t> taken;
};

struct Measuring {
  HandClock clock;
  HandArrivals arrivals;
  std::vector<IsolationProber::Done> open;  // questions without an answer
  std::vector<std::string> asked, measured;
  int woken = 0;
  IsolationProber prober{
      arrivals,
      "10.244.0.9:8082",
      clock,
      [this](const std::string& uid, const std::string& ip, const api::ProbeRequest& request,
             IsolationProber::Done done) {
        asked.push_back(uid + "@" + ip + " -> " + request.address);
        open.push_back(std::move(done));
      },
      [this](const kube::Key&) { ++woken; },
      [this](const IsolationVerdict& verdict) { measured.push_back(verdict.reason); }};

  void Begin(const std::string& uid, const ForeignPolicies& foreign = {}, bool fresh = true) {
    prober.Begin({"agents", "box"}, uid, "10.244.0.7", foreign, fresh);
  }
  void Answer(const base::Result<ProbeOutcome>& said) {
    const IsolationProber::Done done = open.back();
    open.pop_back();
    done(said);
  }
  IsolationView::State State(const std::string& uid) { return prober.ViewOf(uid).state; }
};

TEST(IsolationProberTest, AsksOnceAtATimeAndWakesForTheAnswer) {
  Measuring m;
  EXPECT_EQ(m.State("one"), IsolationView::State::kNone);
  m.Begin("one");
  m.Begin("one");
  EXPECT_EQ(m.State("one"), IsolationView::State::kAsking);
  ASSERT_EQ(m.asked, std::vector<std::string>{"one@10.244.0.7 -> 10.244.0.9:8082"});
  EXPECT_EQ(m.arrivals.expected, std::vector<std::string>{"10.244.0.7"});
  EXPECT_EQ(m.woken, 0);
  m.Answer(ProbeOutcome::kRefused);
  EXPECT_EQ(m.arrivals.taken, std::vector<uint64_t>{1});
  EXPECT_EQ(m.woken, 1);
  const IsolationView view = m.prober.ViewOf("one");
  EXPECT_EQ(view.state, IsolationView::State::kDone);
  EXPECT_EQ(view.verdict.state, Isolation::kEnforced);
  EXPECT_EQ(view.retry_at, m.clock.Now() + kMeasureAgain);
  EXPECT_EQ(m.prober.cluster(), Isolation::kEnforced);
  EXPECT_TRUE(m.prober.ViewOf("another").cluster_known);
  EXPECT_EQ(m.measured, std::vector<std::string>{"PolicyEnforced"});
}

TEST(IsolationProberTest, ThosePoliciesThatComeAMomentLaterCount) {
  Measuring m;
  m.arrivals.heard = {true, true};
  m.Begin("one");
  m.Answer(ProbeOutcome::kConnected);
  const IsolationView view = m.prober.ViewOf("one");
  EXPECT_EQ(view.state, IsolationView::State::kAgain);
  EXPECT_EQ(view.retry_at, m.clock.Now() + kProbeAgain);
  EXPECT_FALSE(view.cluster_known);
  m.clock.passed += kProbeAgain;
  m.arrivals.heard = {true, false};
  m.Begin("one");
  m.Answer(ProbeOutcome::kRefused);
  EXPECT_EQ(m.prober.cluster(), Isolation::kEnforced);
}

TEST(IsolationProberTest, WhoIsReachedForTooLongIsOpenUntilMeasuredAnew) {
  Measuring m;
  m.arrivals.heard = {true, true};
  m.Begin("one");
  m.Answer(ProbeOutcome::kConnected);
  m.clock.passed += kEnforcementPatience;
  m.Begin("one");
  m.Answer(ProbeOutcome::kConnected);
  EXPECT_EQ(m.prober.ViewOf("one").verdict.state, Isolation::kOpen);
  EXPECT_EQ(m.prober.cluster(), Isolation::kOpen);
  m.clock.passed += kMeasureAgain;
  m.Begin("one");
  m.Answer(ProbeOutcome::kConnected);
  EXPECT_EQ(m.State("one"), IsolationView::State::kAgain) << "with new patience";
  m.arrivals.heard = {true, false};
  m.Begin("one");
  m.Answer(ProbeOutcome::kTimedOut);
  EXPECT_EQ(m.prober.cluster(), Isolation::kEnforced);
}

TEST(IsolationProberTest, APodThatSomebodyElseOpenedIsTheOnlyOneCalledOpen) {
  Measuring m;
  m.Begin("good");
  m.Answer(ProbeOutcome::kRefused);
  m.arrivals.heard = {true, true};
  const ForeignPolicies foreign{{"allow-all"}, 1, true};
  m.Begin("opened", foreign);
  m.Answer(ProbeOutcome::kConnected);
  m.clock.passed += kEnforcementPatience;
  m.Begin("opened", foreign);
  m.Answer(ProbeOutcome::kConnected);
  EXPECT_EQ(m.prober.ViewOf("opened").verdict.reason, "OtherPolicyAllows");
  EXPECT_EQ(m.prober.ViewOf("opened").foreign, foreign);
  EXPECT_EQ(m.prober.cluster(), Isolation::kEnforced);
}

TEST(IsolationProberTest, TheAnswerOfASandboxThatIsGoneIsNobodys) {
  Measuring m;
  m.Begin("one");
  m.prober.Forget("one");
  m.Answer(ProbeOutcome::kRefused);
  EXPECT_EQ(m.State("one"), IsolationView::State::kNone);
  EXPECT_EQ(m.prober.cluster(), Isolation::kUnknown);
  EXPECT_EQ(m.arrivals.taken.size(), 1u) << "its ticket is given back";
}

}  // namespace
}  // namespace sandgate::op
