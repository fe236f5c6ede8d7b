// The guard over the API server in memory, whose admission hook plays the policies' part.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>

#include "operator/canary.h"
#include "operator/policy_guard.h"
#include "tests/support/fake_transport.h"

namespace sandgate::op {
namespace {

using api::Json;
using testing::AdmissionRequest;
using testing::FakeTransport;
using testing::Fault;
using testing::Refusal;
using State = GuardView::State;

constexpr char kPolicySays[] =
    "approvals.sandgate.dev \"sandgate-canary\" is forbidden: ValidatingAdmissionPolicy "
    "'sandgate-approvals' with binding 'sandgate-approvals' denied request: ";
constexpr char kRule[] = "the requester may not decide";

class HandClock final : public base::Clock {
 public:
  base::Time Now() const override { return base::RealClock().Now(); }
  base::MonotonicTime MonotonicNow() const override {
    return base::MonotonicTime(std::chrono::hours(1)) + std::chrono::seconds(ahead.load());
  }
  std::atomic<int> ahead{0};
};

Json Policy(const std::string& kind, const std::string& name, Json spec) {
  return {{"apiVersion", "admissionregistration.k8s.io/v1"},
          {"kind", kind},
          {"metadata", {{"name", name}}},
          {"spec", std::move(spec)}};
}

Json Rules() {
  return Policy("ValidatingAdmissionPolicy", kApprovalsPolicy,
                {{"validations", {{{"expression", "a"}}, {{"expression", "b"}}}}});
}
Json Binding() {
  return Policy("ValidatingAdmissionPolicyBinding", kApprovalsPolicy,
                {{"policyName", kApprovalsPolicy}, {"validationActions", {"Deny"}}});
}

// What the server's rules say to the forged decision; a test may change it at any time.
class Server {
 public:
  Server() {
    transport->SetAdmission(
        [this](const AdmissionRequest& request, Json* object) { return Judge(request, *object); });
    transport->fault = [this](const testing::Call& call) {
      return down && call.dry_run ? Fault::kUnreachable : Fault::kNone;
    };
    transport->after_call = [this](const testing::Call& call, unsigned) {
      if (call.dry_run) Count(&asked_);
    };
  }

  void Install() {
    transport->Put(kube::kValidatingAdmissionPolicies, Rules());
    transport->Put(kube::kValidatingAdmissionPolicyBindings, Binding());
  }
  // A policy of somebody else: the guard looks again, and finds nothing different.
  void Stranger(const std::string& name) {
    transport->Put(kube::kValidatingAdmissionPolicies,
                   Policy("ValidatingAdmissionPolicy", name, {{"validations", Json::array()}}));
  }
  kube::Api api() const { return kube::Api(transport); }
  Json canary() const {
    return transport->Find(kube::kApprovals, settings.ns, kCanary).value_or(Json());
  }
  // Blocks until that many dry runs were answered.
  void WaitForAsked(int count) {
    std::unique_lock lock(mutex_);
    told_.wait(lock, [&] { return asked_ >= count; });
  }
  int asked() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return asked_;
  }
  void SetAnswer(std::optional<Refusal> answer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    answer_ = std::move(answer);
  }

  const Settings settings;
  const std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  std::atomic<bool> down{false};

 private:
  std::optional<Refusal> Judge(const AdmissionRequest& request, const Json& object) const {
    if (request.operation != "UPDATE" || !request.subresource.empty() ||
        api::Member(api::Member(object, "spec"), "decision").is_null()) {
      return std::nullopt;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    return answer_;
  }
  void Count(int* what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++*what;
    told_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable told_;
  int asked_ = 0;  // guarded by mutex_
  // guarded by mutex_
  std::optional<Refusal> answer_ = Refusal{403, "Forbidden", std::string(kPolicySays) + kRule};
};

// A guard, and a way to wait for what it says.
class Watched {
 public:
  explicit Watched(Server* server, std::vector<Json> expected = {Rules(), Binding()})
      : guard(
            server->api(), server->settings, std::move(expected),
            [this] {
              const std::lock_guard<std::mutex> lock(mutex_);
              told_.notify_all();
            },
            clock) {
    guard.Start();
  }
  // The problem, once the guard is in that state.
  std::string WaitFor(State state, const std::string& words = "") {
    std::unique_lock lock(mutex_);
    GuardView view;
    told_.wait(lock, [&] {
      view = guard.View();
      return view.state == state && view.problem.find(words) != std::string::npos;
    });
    return view.problem;
  }

 private:
  std::mutex mutex_;
  std::condition_variable told_;

 public:
  HandClock clock;
  PolicyGuard guard;
};

TEST(PolicyGuard, IntactAndQuiet) {
  Server server;
  server.Install();
  Watched watched(&server);
  watched.WaitFor(State::kIntact);
  const Json canary = server.canary();
  EXPECT_EQ(canary["spec"]["request"]["requester"], server.settings.user);
  EXPECT_EQ(canary["spec"]["request"]["risk"], "CRITICAL");
  EXPECT_EQ(canary["spec"]["request"]["specHash"], std::string(64, '0'));
  EXPECT_EQ(canary["status"]["phase"], "Pending");
  EXPECT_FALSE(canary["spec"].contains("decision"));

  server.transport->ClearCalls();
  const int asked = server.asked();
  server.Stranger("another");  // a change is looked at at once, not in 15 s
  server.WaitForAsked(asked + 1);
  EXPECT_EQ(server.transport->CountWrites(), 0);
  EXPECT_TRUE(watched.guard.View().intact());
}

TEST(PolicyGuard, UnknownBeforeAnythingIsRead) {
  Server server;
  PolicyGuard guard(server.api(), server.settings, {Rules()}, [] {});
  EXPECT_EQ(guard.View().state, State::kUnknown);
}

TEST(PolicyGuard, NothingExpectedIsBroken) {
  Server server;
  PolicyGuard guard(server.api(), server.settings, {}, [] {});
  EXPECT_EQ(guard.View().state, State::kBroken);
}

TEST(PolicyGuard, EveryDifferenceShowsAndGoes) {
  Server server;
  server.Install();
  Watched watched(&server);
  watched.WaitFor(State::kIntact);
  const auto& policies = kube::kValidatingAdmissionPolicies;
  const auto& bindings = kube::kValidatingAdmissionPolicyBindings;
  const struct {
    const char* name;
    const kube::Resource& resource;
    Json change;  // null: deleted
    const char* problem;
  } rows[] = {
      {"policy deleted", policies, nullptr,
       "ValidatingAdmissionPolicy sandgate-approvals is missing"},
      {"binding deleted", bindings, nullptr, "Binding sandgate-approvals is missing"},
      {"audits only", bindings, {{"validationActions", {"Audit"}}}, "validationActions[0]"},
      {"narrowed",
       bindings,
       {{"matchResources", {{"namespaceSelector", {{"matchLabels", {{"a", "b"}}}}}}}},
       "spec, matchResources"},
      {"a condition more",
       policies,
       {{"matchConditions", {{{"name", "x"}}}}},
       "spec, matchConditions"},
      {"a rule less", policies, {{"validations", {{{"expression", "a"}}}}}, "spec, validations"},
      {"fails open", policies, {{"failurePolicy", "Ignore"}}, "spec, failurePolicy"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    if (row.change.is_null()) {
      ASSERT_TRUE(server.transport->Remove(row.resource, "", kApprovalsPolicy));
    } else {
      server.transport->Put(row.resource, Policy(row.resource.kind, kApprovalsPolicy, row.change));
    }
    watched.WaitFor(State::kBroken, row.problem);
    server.transport->Remove(row.resource, "", kApprovalsPolicy);
    server.Install();
    watched.WaitFor(State::kIntact);
  }
}

TEST(PolicyGuard, BrokenWhenTheServerAppliesNoRules) {
  Server server;
  server.Install();
  server.SetAnswer(std::nullopt);
  Watched watched(&server);
  const std::string problem = watched.WaitFor(State::kBroken);
  EXPECT_NE(problem.find("could be decided by its requester"), std::string::npos) << problem;
  EXPECT_FALSE(server.canary()["spec"].contains("decision"));  // a dry run, whatever the answer
  server.SetAnswer(Refusal{403, "Forbidden", std::string(kPolicySays) + kRule});
  watched.WaitFor(State::kIntact);  // without any change in the policies
}

TEST(PolicyGuard, AnUnreachableServerIsTrustedForAMinute) {
  Server server;
  server.Install();
  Watched watched(&server);
  watched.WaitFor(State::kIntact);
  server.down = true;
  server.transport->ClearCalls();
  watched.clock.ahead = 60;
  EXPECT_TRUE(watched.guard.View().intact());
  watched.clock.ahead = 61;
  EXPECT_EQ(watched.guard.View().state, State::kUnknown);
  server.Stranger("another");  // the guard tries, in vain
  watched.WaitFor(State::kUnknown, "Unavailable");
  server.down = false;
  watched.WaitFor(State::kIntact);
}

TEST(PolicyGuard, StopsWhileTheServerIsSilent) {
  Server server;
  server.down = true;
  server.Install();
  Watched watched(&server);
  watched.WaitFor(State::kUnknown, "Unavailable");
  watched.guard.Stop();
  EXPECT_EQ(watched.guard.View().state, State::kUnknown);
}

TEST(Canary, OnlyThePolicysOwnRefusalCounts) {
  const std::string policy = kPolicySays;
  const struct {
    const char* name;
    Refusal answer;
    CanaryAnswer::State state;
  } rows[] = {
      {"the rule", {403, "Forbidden", policy + kRule}, CanaryAnswer::State::kRefused},
      {"RBAC",
       {403, "Forbidden", "User \"x\" cannot patch resource \"approvals\""},
       CanaryAnswer::State::kBroken},
      {"another rule of it",
       {403, "Forbidden", policy + "a ServiceAccount may not decide"},
       CanaryAnswer::State::kBroken},
      {"another policy's words",
       {403, "Forbidden", std::string("ValidatingAdmissionPolicy 'mine' denied request: ") + kRule},
       CanaryAnswer::State::kBroken},
      {"the schema", {422, "Invalid", "the Approval is not pending"}, CanaryAnswer::State::kBroken},
      {"overload", {503, "ServiceUnavailable", "later"}, CanaryAnswer::State::kUnreachable},
  };
  for (const auto& row : rows) {
    Server server;
    server.SetAnswer(row.answer);
    Canary canary(server.api(), server.settings);
    const CanaryAnswer answer = canary.Ask();
    EXPECT_EQ(answer.state, row.state) << row.name << ": " << answer.problem;
    EXPECT_EQ(answer.problem.empty(), row.state == CanaryAnswer::State::kRefused) << row.name;
  }
}

TEST(Canary, IsMadeAnewWhenItCouldNotSing) {
  Server server;
  Canary canary(server.api(), server.settings);
  ASSERT_EQ(canary.Ask().state, CanaryAnswer::State::kRefused);
  const Json good = server.canary();
  const struct {
    const char* name;
    Json change;
  } rows[] = {
      {"another requester", {{"spec", {{"request", {{"requester", "mallory"}}}}}}},
      {"decided", {{"spec", {{"decision", {{"verdict", "Approved"}, {"decidedBy", "x"}}}}}}},
      {"settled", {{"status", {{"phase", "Expired"}}}}},
      {"no request", {{"spec", {{"request", nullptr}}}}},
  };
  for (const auto& row : rows) {
    Json changed = good;
    changed.merge_patch(row.change);
    server.transport->Remove(kube::kApprovals, server.settings.ns, kCanary);
    const std::string uid = server.transport->Put(kube::kApprovals, changed)["metadata"]["uid"];
    Canary fresh(server.api(), server.settings);
    EXPECT_EQ(fresh.Ask().state, CanaryAnswer::State::kRefused) << row.name;
    EXPECT_NE(server.canary()["metadata"]["uid"], uid) << row.name;
    EXPECT_EQ(server.canary()["spec"], good["spec"]) << row.name;
    EXPECT_EQ(server.canary()["status"], good["status"]) << row.name;
  }
}

TEST(Canary, DeletedMeanwhileIsMadeAgainAtOnce) {
  Server server;
  Canary canary(server.api(), server.settings);
  ASSERT_EQ(canary.Ask().state, CanaryAnswer::State::kRefused);
  server.transport->Remove(kube::kApprovals, server.settings.ns, kCanary);
  EXPECT_EQ(canary.Ask().state, CanaryAnswer::State::kRefused);
}

TEST(Canary, TwoOperatorsMakeOne) {
  Server server;
  Canary other(server.api(), server.settings);
  bool raced = false;
  server.transport->before_call = [&](const testing::Call& call) {
    if (call.method != "POST" || raced) return;
    raced = true;
    EXPECT_EQ(other.Ask().state, CanaryAnswer::State::kRefused);
  };
  Canary canary(server.api(), server.settings);
  EXPECT_EQ(canary.Ask().state, CanaryAnswer::State::kRefused);
  EXPECT_TRUE(raced);
  EXPECT_EQ(server.transport->All(kube::kApprovals).size(), 1u);
}

TEST(ExpectedPolicies, Table) {
  const std::string good = Json::array({Rules(), Binding()}).dump();
  const struct {
    const char* name;
    std::string text;
    bool ok;
  } rows[] = {
      {"good", good, true},
      {"no JSON", "policies", false},
      {"no list", Rules().dump(), false},
      {"nothing", "[]", false},
      {"a stranger's kind",
       R"([{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{}}])", false},
      {"another group",
       R"([{"apiVersion":"x/v1","kind":"ValidatingAdmissionPolicy",)"
       R"("metadata":{"name":"a"},"spec":{}}])",
       false},
      {"no name", Json::array({Policy("ValidatingAdmissionPolicy", "", Json::object())}).dump(),
       false},
      {"no spec", Json::array({Policy("ValidatingAdmissionPolicy", "a", nullptr)}).dump(), false},
      {"no object", "[1]", false},
  };
  const std::string path = ::testing::TempDir() + "/expected_policies.json";
  for (const auto& row : rows) {
    std::ofstream(path) << row.text;
    const auto loaded = LoadExpectedPolicies(path);
    EXPECT_EQ(loaded.ok(), row.ok) << row.name;
    if (!loaded.ok()) {
      EXPECT_NE(loaded.status().message().find(path), std::string::npos);
    }
  }
  EXPECT_FALSE(LoadExpectedPolicies("").ok());
  EXPECT_FALSE(LoadExpectedPolicies(path + ".none").ok());
  EXPECT_FALSE(LoadExpectedPolicies(::testing::TempDir()).ok());
}

}  // namespace
}  // namespace sandgate::op
