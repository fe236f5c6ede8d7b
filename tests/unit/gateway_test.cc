// A call on its way: waiting, asking later, idempotency, and what breaks in between.
#include "tests/unit/gateway_fixture.h"

namespace sandgate::gateway {
namespace {

TEST_F(GatewayTest, ACallWaitsForItsResult) {
  http::RawClient client(server_->port());
  ASSERT_TRUE(client.Send(Message("POST", "/v1/tools/code_execute", kPrint)));
  const Json execution = NewExecution();
  EXPECT_EQ(execution["metadata"]["namespace"], "agents");  // the ServiceAccount's
  EXPECT_EQ(execution["spec"]["requester"]["username"], kAgent);
  const std::string sandbox = execution["spec"]["sandboxName"];
  ASSERT_TRUE(fake_->Find(kube::kSandboxes, "agents", sandbox).has_value());
  Finish(execution, {{"phase", "AwaitingApproval"}});
  Finish(execution, {{"phase", "Running"}});
  Finish(execution, Succeeded("1\n"));
  const GatewayAnswer answer = Parse(client.ReceiveAll());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, Json({{"success", true},
                               {"sandbox_id", sandbox},
                               {"stdout", "1\n"},
                               {"stderr", ""},
                               {"exit_code", 0},
                               {"execution_time", 0.012},
                               {"error", nullptr},
                               {"execution", execution["metadata"]["name"]}}));
  // Everything about objects goes with the caller's token.
  for (const FakeCall& call : fake_->calls()) {
    if (call.watch || call.key.resource == "tokenreviews.authentication.k8s.io") continue;
    if (call.key.name.empty() && call.method == "GET") continue;  // the watch's list
    EXPECT_EQ(call.token, "agent") << call.method << " " << call.key.resource;
  }
}

TEST_F(GatewayTest, AnExistingSandboxIsUsed) {
  fake_->Put(kube::kSandboxes, {{"metadata", {{"name", "mine"}, {"namespace", "agents"}}},
                                {"spec", {{"language", "python"}}}});
  http::RawClient client(server_->port());
  ASSERT_TRUE(
      client.Send(Message("POST", "/v1/tools/code_execute",
                          R"({"language":"python","code":"x","sandbox_id":"mine","timeout":60})")));
  const Json execution = NewExecution();
  EXPECT_EQ(execution["spec"]["sandboxName"], "mine");
  EXPECT_EQ(execution["spec"]["timeoutSeconds"], 60);
  Finish(execution, Succeeded(""));
  EXPECT_EQ(Parse(client.ReceiveAll()).body["sandbox_id"], "mine");
  EXPECT_EQ(fake_->All(kube::kSandboxes).size(), 1U);
}

TEST_F(GatewayTest, TheApiServersNoIsTheCallersNo) {
  fake_->SetAdmission([](const sandgate::testing::AdmissionRequest& request, Json*) {
    using sandgate::testing::Refusal;
    if (request.operation != "CREATE") return std::optional<Refusal>();
    if (request.key.resource == "executions.sandgate.dev") {
      return std::optional(Refusal{403, "Forbidden", "executions is forbidden: exceeded quota"});
    }
    return std::optional<Refusal>();
  });
  const GatewayAnswer answer = Run(kPrint);
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body["error"]["code"], "Forbidden");
  EXPECT_NE(answer.body["error"]["message"].get<std::string>().find("exceeded quota"),
            std::string::npos);
  EXPECT_EQ(Objects(), 0U) << "the sandbox made for it is gone again";
}

TEST_F(GatewayTest, AsyncAnswersAtOnceAndIsAskedForLater) {
  const GatewayAnswer first = Run(kPrint, "Prefer: respond-async\r\n");
  EXPECT_EQ(first.status, 202);
  const std::string name = first.body["execution"];
  EXPECT_EQ(first.Header("Location"), "/v1/executions/" + name);
  const std::string target = "/v1/executions/" + name;
  EXPECT_EQ(Send(Message("GET", target, "")).status, 202);
  EXPECT_EQ(Send(Message("GET", target + "?wait=1s", "")).status, 202);
  const Json execution = *fake_->Find(kube::kExecutions, "agents", name);
  http::RawClient waiting(server_->port());
  ASSERT_TRUE(waiting.Send(Message("GET", target + "?wait=5m", "")));
  Finish(execution, Succeeded("late\n"));
  const GatewayAnswer answer = Parse(waiting.ReceiveAll());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body["stdout"], "late\n");
  EXPECT_EQ(Send(Message("GET", target, "")).body["stdout"], "late\n");
  EXPECT_EQ(Send(Message("GET", "/v1/executions/nothing", "")).status, 404);
}

TEST_F(GatewayTest, AnIdempotencyKeyIsOneCall) {
  const std::string key = "Idempotency-Key: k1\r\nPrefer: respond-async\r\n";
  const GatewayAnswer first = Run(kPrint, key);
  const GatewayAnswer again = Run(kPrint, key);
  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(again.body["execution"], first.body["execution"]);
  EXPECT_EQ(Objects(), 2U);
  const GatewayAnswer other = Run(R"({"language":"python","code":"print 2"})", key);
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(other.body["error"]["field"], "Idempotency-Key");
  EXPECT_EQ(
      Run(R"({"language":"python","code":"print 1","limits":{"max_memory_mb":64}})", key).status,
      409);
  // Another caller's key of the same text is another key.
  EXPECT_EQ(Run(kPrint, key, "other").status, 202);
  EXPECT_EQ(fake_->All(kube::kExecutions).size(), 2U);
  // A result that is there is the answer, and a sandbox that is gone is not made again.
  Finish(*fake_->Find(kube::kExecutions, "agents", first.body["execution"]), Succeeded("1\n"));
  fake_->Remove(kube::kSandboxes, "agents", first.body["sandbox_id"]);
  const GatewayAnswer late = Run(kPrint, key);
  EXPECT_EQ(late.status, 200);
  EXPECT_EQ(late.body["stdout"], "1\n");
  EXPECT_EQ(fake_->All(kube::kSandboxes).size(), 1U);
}

// The gateway died between the Sandbox and the Execution: the same key takes the Sandbox up.
TEST_F(GatewayTest, AHalfMadeCallIsCompleted) {
  std::atomic<bool> broken = true;
  fake_->fault = [&](const FakeCall& call) {
    const bool execution = call.method == "POST" && call.key.resource == "executions.sandgate.dev";
    return broken && execution ? Fault::kUnreachable : Fault::kNone;
  };
  const std::string key = "Idempotency-Key: k2\r\nPrefer: respond-async\r\n";
  EXPECT_EQ(Run(kPrint, key).status, 503);
  EXPECT_EQ(fake_->All(kube::kSandboxes).size(), 1U);
  broken = false;
  EXPECT_EQ(Run(kPrint, key).status, 202);
  EXPECT_EQ(fake_->All(kube::kSandboxes).size(), 1U);
  EXPECT_EQ(fake_->All(kube::kExecutions).size(), 1U);
}

// An answer lost on the way from the API server makes no second object.
TEST_F(GatewayTest, LostAnswersMakeNothingTwice) {
  std::atomic<int> lost = 2;
  fake_->fault = [&](const FakeCall& call) {
    const bool ours = call.method == "POST" && call.key.resource.ends_with("sandgate.dev");
    return ours && lost-- > 0 ? Fault::kLostAnswer : Fault::kNone;
  };
  EXPECT_EQ(Run(kPrint, "Prefer: respond-async\r\n").status, 202);
  EXPECT_EQ(fake_->All(kube::kSandboxes).size(), 1U);
  EXPECT_EQ(fake_->All(kube::kExecutions).size(), 1U);
}

TEST_F(GatewayTest, ACallerThatGoesAwayLeavesTheExecution) {
  Json execution;
  {
    http::RawClient client(server_->port());
    ASSERT_TRUE(client.Send(Message("POST", "/v1/tools/code_execute", kPrint)));
    execution = NewExecution();
  }
  while (gateway_->MetricsText().find("sandgate_gateway_callers_gone_total{") ==
         std::string::npos) {
    std::this_thread::yield();
  }
  EXPECT_NE(gateway_->MetricsText().find("sandgate_gateway_waiters 0"), std::string::npos);
  EXPECT_EQ(Objects(), 2U);
}

// The watch broke, and the end of the Execution fell into the gap.
TEST_F(GatewayTest, AnEndDuringABrokenWatchIsSeen) {
  http::RawClient client(server_->port());
  ASSERT_TRUE(client.Send(Message("POST", "/v1/tools/code_execute", kPrint)));
  const Json execution = NewExecution();
  std::atomic<bool> down = true;
  fake_->fault = [&](const FakeCall& call) {
    return down && (call.watch || call.key.name.empty()) && call.method == "GET"
               ? Fault::kUnreachable
               : Fault::kNone;
  };
  fake_->CloseWatches();
  Finish(execution, Succeeded("1\n"));
  fake_->Compact();
  down = false;
  EXPECT_EQ(Parse(client.ReceiveAll()).body["success"], true);
}

TEST_F(GatewayTest, ADeletedExecutionEndsTheWait) {
  http::RawClient client(server_->port());
  ASSERT_TRUE(client.Send(Message("POST", "/v1/tools/code_execute", kPrint)));
  const Json execution = NewExecution();
  fake_->Remove(kube::kExecutions, "agents", execution["metadata"]["name"]);
  EXPECT_EQ(Parse(client.ReceiveAll()).status, 404);
}

TEST_F(GatewayTest, TheOperatorsLimitsAre429) {
  http::RawClient client(server_->port());
  ASSERT_TRUE(client.Send(Message("POST", "/v1/tools/code_execute", kPrint)));
  Finish(NewExecution(), {{"phase", "Failed"},
                          {"error", {{"code", "TooManyOpenApprovals"}, {"message", "16 open"}}}});
  const GatewayAnswer answer = Parse(client.ReceiveAll());
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.body["error"]["code"], "TooManyOpenApprovals");
}

TEST_F(GatewayTest, StoppingTellsThoseWhoWaitWhereToAskAgain) {
  http::RawClient client(server_->port());
  ASSERT_TRUE(client.Send(Message("POST", "/v1/tools/code_execute", kPrint)));
  const Json execution = NewExecution();
  while (gateway_->MetricsText().find("sandgate_gateway_waiters 1") == std::string::npos) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(gateway_->Ready());
  gateway_->Stop();
  EXPECT_FALSE(gateway_->Ready());
  const GatewayAnswer answer = Parse(client.ReceiveAll());
  EXPECT_TRUE(answer.status == 202 || answer.status == 503) << answer.status;
  EXPECT_EQ(Run(kPrint).status, 503);
}

}  // namespace
}  // namespace sandgate::gateway
