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
  };

  void Call(const http::Endpoint&, http::Request request, http::CallOptions options,
            Callback callback) override {
    asked.push_back({request.method, request.target, options.max_response_bytes});
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
  const auto admitted = Admit(m.execution, m.sandbox);
  ASSERT_TRUE(admitted.ok());
  api::RunState state;
  state.run_id = "run";
  state.finished = state.started = true;
  state.out.assign(static_cast<size_t>(admitted->output_bytes()), 'x');
  state.err = state.out;
  Runners r;
  r.client->answer = [&](const http::Request&) { return http::Response{200, {}, Body(state)}; };
  r.runners.Start({"agents", "run-1"}, "uid", *admitted);
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

// A sandbox that is not ready, and many Executions that come at once.
class CrowdTest : public ::testing::Test {
 protected:
  void Create(const std::string& name) {
    Json object = {{"apiVersion", api::kApiVersion},
                   {"kind", "Execution"},
                   {"metadata", {{"namespace", "agents"}, {"name", name}}},
                   {"spec",
                    {{"sandboxName", "box"},
                     {"operation", "Execute"},
                     {"requester", {{"username", "agent"}}},
                     {"execute", {{"language", "python"}, {"code", "print(1)"}}}}}};
    object = server_->Put(kube::kExecutions, object);
    caches_.Feed("executions", {"agents", name}, &object);
  }

  // One pass over each, then how many ended with that code.
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
  ExecutionController controller_{
      {settings_, base::RealClock(), caches_, cluster_, runners_.runners, events_, audit_,
       [this](const std::string&) {
         return PolicyView{policy_, std::nullopt, true};
       },
       [] {
         return GuardView{GuardView::State::kIntact, ""};
       }},
      queue_,
      {[](const api::Execution&, const api::ExecutionStatus&) {},
       [](api::ApprovalPhase, std::chrono::seconds) {}}};
};

TEST_F(CrowdTest, TheQueueTakesWhatItMayAndRefusesTheRest) {
  for (int i = 0; i < 40; ++i) Create("run-" + std::to_string(i));
  EXPECT_EQ(Ended(40, "QueueFull"), 40 - 32) << "those that were not let in are no load";
}

TEST_F(CrowdTest, ARequesterHasSoManyQuestionsOpenAndNoMore) {
  policy_ = policy::Policy::Default();
  for (int i = 0; i < 25; ++i) Create("run-" + std::to_string(i));
  EXPECT_EQ(Ended(25, "TooManyOpenApprovals"), 25 - 20);
}

}  // namespace
}  // namespace sandgate::op
