// What the controllers and the calls to runners once did wrong, over an API server in memory.
#include <gtest/gtest.h>

#include "operator/execution_controller.h"
#include "operator/output_store.h"
#include "tests/support/fake_audit.h"
#include "tests/support/fake_transport.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::Json;
using sandgate::testing::AdmissionRequest;
using sandgate::testing::FakeTransport;
using sandgate::testing::Refusal;

// Answers at once, as told; remembers what it was asked.
class ScriptedClient final : public http::Client {
 public:
  struct Asked {
    std::string method, target;
    size_t max_response_bytes = 0;
    std::string body;
  };

  void Call(const http::Endpoint&, http::Request request, http::CallOptions options,
            Callback callback) override {
    asked.push_back({request.method, request.target, options.max_response_bytes, request.body});
    callback(answer(request));
  }
  base::Status ReloadTls(const http::TlsIdentity&, const std::string&) override {
    return base::Status::Ok();
  }

  std::vector<Asked> asked;
  std::function<base::Result<http::Response>(const http::Request&)> answer;
};

struct Runners {
  ScriptedClient* client = new ScriptedClient;
  RunnerClient runners{std::unique_ptr<http::Client>(client), base::RealClock(),
                       [](const kube::Key&) {}, [](const kube::Key&) {}};
};

std::string Body(const api::RunState& state) {
  return api::DumpJson(api::ToJson(state));
}

TEST(RunnerClientTest, ALongResultIsTakenFromTheAnswerToAStart) {
  Moment m;
  m.Claim();
  const auto admitted = Admit(m.execution, m.sandbox, m.policy->sandbox());
  ASSERT_TRUE(admitted.ok());
  api::RunState state;
  state.run_id = "run";
  state.finished = state.started = true;
  state.out.assign(static_cast<size_t>(admitted->output_bytes()), 'x');
  state.err = state.out;
  Runners r;
  r.client->answer = [&](const http::Request&) { return http::Response{200, {}, Body(state)}; };
  r.runners.Start({"agents", "run-1"}, "uid", *admitted, std::nullopt);
  EXPECT_EQ(r.runners.ViewOf("uid").stage, RunView::Stage::kFinished);
  ASSERT_EQ(r.client->asked.size(), 1u);
  EXPECT_GE(r.client->asked[0].max_response_bytes, Body(state).size())
      << "an operator that comes back after the end would never get the result";
}

TEST(RunnerClientTest, ARunWhoseExecutionIsGoneIsEndedAndForgotten) {
  Runners r;
  api::RunState state;
  state.run_id = "run";
  state.started = true;
  r.client->answer = [&](const http::Request& request) -> base::Result<http::Response> {
    if (request.method == "POST") return http::Response{202, {}, Body(state)};
    return http::Response{request.method == "DELETE" ? 204u : 200u, {}, Body(state)};
  };
  const RunPlace place{"10.0.0.9", "sandbox-uid", "run", 1024};
  r.runners.Follow({"agents", "run-1"}, "uid", place);
  r.runners.Abandon("uid", place);
  ASSERT_EQ(r.client->asked.size(), 4u);
  EXPECT_EQ(r.client->asked[1].target, "/v1/runs/run/cancel");
  EXPECT_EQ(r.client->asked[3].method, "DELETE");
  EXPECT_EQ(r.runners.ViewOf("uid").stage, RunView::Stage::kUnknown);
  r.runners.Abandon("uid", place);
  EXPECT_EQ(r.client->asked.size(), 4u) << "there is nothing left to end";
}

TEST(RunnerClientTest, NothingStartsWithoutTheNetworkThatWasAdmittedNorWithAnyOther) {
  for (const bool admitted_network : {false, true}) {
    Moment m;
    if (admitted_network) m.WantNetwork({"a.example"}, {});
    m.Claim();
    const auto admitted = Admit(m.execution, m.sandbox, m.policy->sandbox());
    ASSERT_TRUE(admitted.ok());
    Runners r;
    r.client->answer = [&](const http::Request&) { return http::Response{201, {}, "{}"}; };
    std::optional<api::RunNetwork> wrong;
    if (!admitted_network) wrong = api::RunNetwork{"10.96.0.7:8443", "grant", {"a.example"}, ""};
    r.runners.Start({"agents", "run-1"}, "uid", *admitted, wrong);
    EXPECT_TRUE(r.client->asked.empty());
    EXPECT_EQ(r.runners.ViewOf("uid").stage, RunView::Stage::kUnreachable);
  }
}

TEST(RunnerClientTest, AnAnswerAboutAnotherRunIsNoAnswer) {
  Runners r;
  api::RunState state;
  state.run_id = "another";
  state.finished = true;
  r.client->answer = [&](const http::Request&) { return http::Response{200, {}, Body(state)}; };
  r.runners.Follow({"agents", "run-1"}, "uid", {"10.0.0.9", "sandbox-uid", "run", 1024});
  EXPECT_EQ(r.runners.ViewOf("uid").stage, RunView::Stage::kUnreachable);
}

TEST(OutputStoreTest, WhatIsRefusedForGoodIsCutAndSaysSo) {
  const auto server = std::make_shared<FakeTransport>();
  server->SetAdmission([](const AdmissionRequest& request, Json*) -> std::optional<Refusal> {
    if (request.key.resource != "configmaps") return std::nullopt;
    return Refusal{403, "Forbidden", "exceeded quota: configmaps"};
  });
  Cluster cluster(kube::Api(server), [](const std::string&, const std::string&) {});
  Moment m;
  api::RunState state;
  state.out.assign(100'000, 'x');
  state.err = "short";
  api::ExecutionStatus status;
  ASSERT_TRUE(StoreOutput(m.execution, state, &cluster, &status).ok()) << "it must end (I6)";
  EXPECT_TRUE(status.stdout_truncated);
  EXPECT_FALSE(status.stderr_truncated);
  EXPECT_FALSE(status.stdout_ref);
  EXPECT_EQ(status.out->size(), kInlineOutputBytes);
}

// A controller over a sandbox that is not ready.
class ControllerTest : public ::testing::Test {
 protected:
  void Create(const std::string& name, const std::string& code = "print(1)",
              const Json& network = Json()) {
    Json object = {{"apiVersion", api::kApiVersion},
                   {"kind", "Execution"},
                   {"metadata", {{"namespace", "agents"}, {"name", name}}},
                   {"spec",
                    {{"sandboxName", "box"},
                     {"operation", "Execute"},
                     {"requester", {{"username", "agent"}}},
                     {"execute", {{"language", "python"}, {"code", code}}}}}};
    if (!network.is_null()) object["spec"]["network"] = network;
    object = server_->Put(kube::kExecutions, object);
    caches_.Feed("executions", {"agents", name}, &object);
  }

  // The sandbox is ready now, and may grant these.
  void MakeReady(const std::vector<std::string>& domains = {}) {
    api::SandboxSpec spec;
    spec.language = api::Language::kPython;
    spec.network_enabled = !domains.empty();
    spec.allowed_domains = domains;
    api::SandboxStatus status;
    status.phase = api::SandboxPhase::kReady;
    status.pod_uid = "pod-uid";
    status.pod_ip = "10.0.0.9";
    status.runner_boot_id = "boot";
    status.effective = *EffectiveLimits(policy_->sandbox(), spec);
    Json sandbox = {{"metadata", {{"namespace", "agents"}, {"name", "box"}}},
                    {"status", api::ToJson(status)}};
    sandbox = server_->Put(kube::kSandboxes, sandbox);
    caches_.Feed("sandboxes", {"agents", "box"}, &sandbox);
  }

  base::Status Pass(const std::string& name) { return controller_.Reconcile({"agents", name}); }
  Json StatusOf(const kube::Resource& resource, const std::string& name) const {
    return api::Member(server_->Find(resource, "agents", name).value_or(Json()), "status");
  }
  std::string PhaseOf(const kube::Resource& resource, const std::string& name) const {
    return api::StringOr(StatusOf(resource, name), "phase");
  }

  // Some passes over each, then how many ended with that code.
  int Ended(int count, const std::string& code) {
    int ended = 0;
    for (int pass = 0; pass < 3; ++pass) {
      for (int i = 0; i < count; ++i) {
        EXPECT_TRUE(controller_.Reconcile({"agents", "run-" + std::to_string(i)}).ok());
      }
    }
    for (const Json& object : server_->All(kube::kExecutions)) {
      const Json& error = api::Member(api::Member(object, "status"), "error");
      ended += api::StringOr(error, "code") == code ? 1 : 0;
    }
    return ended;
  }

  void SetUp() override {
    Json sandbox = {{"apiVersion", api::kApiVersion},
                    {"kind", "Sandbox"},
                    {"metadata", {{"namespace", "agents"}, {"name", "box"}}},
                    {"spec", {{"language", "python"}, {"requester", {{"username", "agent"}}}}}};
    sandbox = server_->Put(kube::kSandboxes, sandbox);
    caches_.Feed("sandboxes", {"agents", "box"}, &sandbox);
  }

  std::shared_ptr<FakeTransport> server_ = std::make_shared<FakeTransport>();
  kube::Api api_{server_};
  Settings settings_;
  std::shared_ptr<const policy::Policy> policy_ = AutoPolicy();
  Caches caches_{api_,
                 {[](const kube::Key&) {}, [](const kube::Key&) {}, [](const api::Execution&) {},
                  [](const std::string&) {}}};
  Cluster cluster_{api_, [](const std::string&, const std::string&) {}};
  Runners runners_;
  kube::EventRecorder events_{api_, "test", "test"};
  sandgate::testing::FakeAudit audit_;
  kube::WorkQueue queue_;
  EgressGrants egress_{{"sandgate-egress", ""}, api_, settings_, base::RealClock()};
  ExecutionController controller_{
      {settings_, base::RealClock(), caches_, cluster_, runners_.runners, events_, audit_,
       [this](const std::string&) {
         return PolicyView{policy_, std::nullopt, true};
       },
       [] {
         return GuardView{GuardView::State::kIntact, ""};
       },
       egress_},
      queue_,
      {[](const api::Execution&, const api::ExecutionStatus&) {},
       [](api::ApprovalPhase, std::chrono::seconds) {}}};
};

using CrowdTest = ControllerTest;

TEST_F(CrowdTest, TheQueueTakesWhatItMayAndRefusesTheRest) {
  for (int i = 0; i < 40; ++i) Create("run-" + std::to_string(i));
  EXPECT_EQ(Ended(40, "QueueFull"), 40 - 32) << "those that were not let in are no load";
}

TEST_F(CrowdTest, ARequesterHasSoManyQuestionsOpenAndNoMore) {
  policy_ = policy::Policy::Default();
  for (int i = 0; i < 25; ++i) Create("run-" + std::to_string(i));
  EXPECT_EQ(Ended(25, "TooManyOpenApprovals"), 25 - 20);
}

// A claim whose answer was lost was carried out: an approver who decides next is told of it.
TEST_F(ControllerTest, ALostClaimIsKnownToWhoeverDecidesNext) {
  policy_ = LoadPolicy(
      "security: {hitl: {default_rules: false, rules: [{tools: [code_execute], risk: LOW},"
      " {tools: [code_execute], risk: HIGH, timeout: 600, conditions: [{param: code, matches: "
      "risky}]}]}}");
  MakeReady();
  Create("asks", "risky()");
  for (int i = 0; i < 8 && PhaseOf(kube::kApprovals, "asks") != "Pending"; ++i) {
    ASSERT_TRUE(Pass("asks").ok());
  }
  ASSERT_TRUE(Pass("asks").ok());  // what ran there is read, and remembered
  server_->Put(kube::kApprovals,
               {{"metadata", {{"namespace", "agents"}, {"name", "asks"}}},
                {"spec", {{"decision", {{"verdict", "Approved"}, {"decidedBy", "boss"}}}}}});
  Create("claims");
  server_->fault = [](const sandgate::testing::Call& call) {
    return call.IsWrite() ? sandgate::testing::Fault::kLostAnswer : sandgate::testing::Fault::kNone;
  };
  EXPECT_FALSE(Pass("claims").ok());
  server_->fault = nullptr;
  ASSERT_EQ(PhaseOf(kube::kExecutions, "claims"), "Running");
  for (int i = 0; i < 3 && PhaseOf(kube::kApprovals, "asks") == "Pending"; ++i) {
    ASSERT_TRUE(Pass("asks").ok());
    if (StatusOf(kube::kApprovals, "asks").value("workspaceChanged", false)) return;
  }
  FAIL() << "approved, and nobody was told";
}

class NetworkedTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    MakeReady({"a.example", "*.b.example"});
    runners_.client->answer = [](const http::Request&) -> base::Result<http::Response> {
      return base::Status(base::Code::kUnavailable, "no runner");
    };
  }
  void PutService() {
    server_->Put(kube::kServices,
                 {{"metadata", {{"namespace", settings_.ns}, {"name", "sandgate-egress"}}},
                  {"spec", {{"clusterIP", "10.96.0.7"}}}});
  }
  std::vector<Json> Starts() const {
    std::vector<Json> bodies;
    for (const ScriptedClient::Asked& asked : runners_.client->asked) {
      if (asked.method == "POST") bodies.push_back(*api::ParseJson(asked.body));
    }
    return bodies;
  }
};

TEST_F(NetworkedTest, StartsWithItsNetwork) {
  PutService();
  Create("run", "print(1)", {{"enabled", true}, {"allowedDomains", {"X.b.example"}}});
  Create("plain");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Pass("run").ok());
  ASSERT_EQ(Starts().size(), 1u);
  const Json network = Starts()[0]["network"];
  EXPECT_EQ(network["proxy"], "10.96.0.7:8443");
  EXPECT_EQ(network["domains"], Json::array({"x.b.example"}));
  const Json admission = StatusOf(kube::kExecutions, "run")["admission"];
  EXPECT_EQ(admission["domains"], network["domains"]);
  const std::string grant = network["grant"];
  bool named = false;
  for (const audit::Record& record : audit_.records()) {
    EXPECT_EQ(record.fields.dump().find(grant), std::string::npos) << record.event;
    named |= record.event == "execution.start" && record.fields["domains"] == network["domains"];
  }
  EXPECT_TRUE(named);
  for (const Json& object : server_->All(kube::kExecutions)) {
    EXPECT_EQ(object.dump().find(grant), std::string::npos) << "a grant is stored nowhere";
  }
}

TEST_F(NetworkedTest, WithoutAWayOutItIsRefusedAndOthersRun) {
  Create("run", "print(1)", {{"enabled", true}, {"allowedDomains", {"a.example"}}});
  Create("plain");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Pass("run").ok());
    EXPECT_TRUE(Pass("plain").ok());
  }
  const Json status = StatusOf(kube::kExecutions, "run");
  EXPECT_EQ(status["error"]["code"], "NetworkUnavailable");
  EXPECT_NE(status["error"]["message"].get<std::string>().find("egress.enabled"),
            std::string::npos);
  ASSERT_EQ(Starts().size(), 1u);
  EXPECT_FALSE(Starts()[0].contains("network"));
}

}  // namespace
}  // namespace sandgate::op
