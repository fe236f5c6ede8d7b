// The gateway as its callers see it: over a socket, in front of an API server in memory. The test
// plays the operator.
#include "api-gateway/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/fake_transport.h"
#include "tests/unit/http_test_util.h"

namespace sandgate::gateway {
namespace {

using api::Json;
using sandgate::testing::FakeTransport;
using sandgate::testing::Fault;
using FakeCall = sandgate::testing::Call;

constexpr char kAgent[] = "system:serviceaccount:agents:agent";

struct Answer {
  int status = 0;
  std::string head;
  Json body;

  std::string Header(const std::string& name) const {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class GatewayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fake_->SetVirtual(kube::kTokenReviews, [](const FakeCall& call, const Json& review) {
      EXPECT_EQ(call.token, "own") << "token reviews are the gateway's own";
      return Review(review);
    });
    GatewayOptions options;
    options.auth.required_audience = audience_;
    gateway_ = std::make_unique<Gateway>(kube::Api(fake_, "own"), options);
    gateway_->Start();
    fake_->WaitForWatches(1);
    http::ServerOptions server_options;
    server_options.address = "127.0.0.1";
    server_options.tls = false;
    server_options.max_body_bytes = 9 * 1024 * 1024 / 4;
    auto server = http::Server::Start(server_options,
                                      [this](http::Request request, http::Responder responder) {
                                        gateway_->Handle(std::move(request), std::move(responder));
                                      });
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(server).value();
  }

  void TearDown() override {
    gateway_->Stop();
    server_->Stop(std::chrono::milliseconds(0));
  }

  // "agent", "other" and "user" are accepted tokens.
  static Json Review(Json review) {
    const std::string token = review["spec"]["token"];
    if (token == "agent") {
      review["status"] = {{"authenticated", true}, {"user", {{"username", kAgent}, {"uid", "u1"}}}};
    } else if (token == "other") {
      review["status"] = {{"authenticated", true},
                          {"user", {{"username", "system:serviceaccount:agents:other"}}}};
    } else if (token == "user") {
      review["status"] = {{"authenticated", true}, {"user", {{"username", "alice"}}}};
    } else if (token == "aud") {
      review["status"] = {
          {"authenticated", true}, {"audiences", {"sandgate"}}, {"user", {{"username", "alice"}}}};
    } else {
      review["status"] = {{"authenticated", false}};
    }
    return review;
  }

  std::string Message(const std::string& method, const std::string& target, const std::string& body,
                      const std::string& headers = "", const std::string& token = "agent") const {
    return method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
           (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") +
           (method == "POST" ? "Content-Type: application/json\r\n" : "") + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  static Answer Parse(const std::string& text) {
    Answer answer;
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return answer;
    answer.head = text.substr(0, end + 2);
    answer.status = std::atoi(answer.head.substr(9, 3).c_str());
    const auto body = api::ParseJson(text.substr(end + 4));
    if (body.ok()) answer.body = *body;
    return answer;
  }

  Answer Send(const std::string& message) const {
    http::RawClient client(server_->port());
    EXPECT_TRUE(client.Send(message));
    return Parse(client.ReceiveAll());
  }

  Answer Run(const std::string& body, const std::string& headers = "",
             const std::string& token = "agent") const {
    return Send(Message("POST", "/v1/tools/code_execute", body, headers, token));
  }

  // Blocks until the API server holds an Execution that `seen` does not name.
  Json NewExecution(const std::set<std::string>& seen = {}) const {
    for (;;) {
      for (const Json& object : fake_->All(kube::kExecutions)) {
        if (!seen.contains(object["metadata"]["name"].get<std::string>())) return object;
      }
      std::this_thread::yield();
    }
  }

  void Finish(const Json& execution, Json status) const {
    fake_->Put(kube::kExecutions, {{"metadata",
                                    {{"name", execution["metadata"]["name"]},
                                     {"namespace", execution["metadata"]["namespace"]}}},
                                   {"status", std::move(status)}});
  }

  static Json Succeeded(const std::string& out) {
    return {{"phase", "Succeeded"},
            {"exitCode", 0},
            {"stdout", out},
            {"stderr", ""},
            {"executionTimeMillis", 12}};
  }

  size_t Writes() const { return static_cast<size_t>(fake_->CountWrites()); }

  // How many objects there are that a call could have made.
  size_t Objects() const {
    return fake_->All(kube::kExecutions).size() + fake_->All(kube::kSandboxes).size();
  }

  std::string audience_;
  std::shared_ptr<FakeTransport> fake_ = std::make_shared<FakeTransport>();
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::Server> server_;
};

const std::string kPrint = R"({"language":"python","code":"print 1"})";

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
  const Answer answer = Parse(client.ReceiveAll());
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

TEST_F(GatewayTest, ASandboxThatIsNotThereIsAResult) {
  const Answer answer = Run(R"({"language":"python","code":"x","sandbox_id":"nowhere"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body["success"], false);
  EXPECT_EQ(answer.body["error"], "Sandbox not found");
  EXPECT_EQ(Objects(), 0U);
}

TEST_F(GatewayTest, BadInputCreatesNothing) {
  const std::string deep =
      R"({"language":"python","code":"x","limits":)" + std::string(9000, '[') + "}";
  struct Row {
    std::string body;
    int status;
    const char* field;
  };
  const Row rows[] = {
      {R"({"language":"ruby","code":"x"})", 422, "language"},
      {R"({"language":"python","code":"x","timeout":-5})", 422, "timeout"},
      {R"({"language":"python","code":")" + std::string(2'000'000, 'a') + "\"}", 422, "code"},
      {R"({"language":"python","code":")" + std::string(2 * 1024 * 1024, 'a') + "\"}", 422, "code"},
      {R"({"language":"python","code":7})", 422, "code"},
      {R"({"language":"python","code":"x","colour":"red"})", 422, "colour"},
      {deep, 400, ""},
  };
  for (const Row& row : rows) {
    const Answer answer = Run(row.body);
    EXPECT_EQ(answer.status, row.status) << row.body.substr(0, 80);
    EXPECT_EQ(api::StringOr(answer.body["error"], "field"), row.field) << row.body.substr(0, 80);
  }
  EXPECT_EQ(Run(R"({"language":"python","code":")" + std::string(3'000'000, 'a') + "\"}").status,
            413);
  EXPECT_EQ(Objects(), 0U);
}

TEST_F(GatewayTest, WhoIsNotKnownIsRefused) {
  EXPECT_EQ(Run(kPrint, "", "").status, 401);
  const Answer answer = Run(kPrint, "", "stolen");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.body["error"]["code"], "Unauthorized");
  EXPECT_EQ(answer.Header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(Objects(), 0U);
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
  const Answer answer = Run(kPrint);
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body["error"]["code"], "Forbidden");
  EXPECT_NE(answer.body["error"]["message"].get<std::string>().find("exceeded quota"),
            std::string::npos);
  EXPECT_EQ(Objects(), 0U) << "the sandbox made for it is gone again";
}

TEST_F(GatewayTest, AsyncAnswersAtOnceAndIsAskedForLater) {
  const Answer first = Run(kPrint, "Prefer: respond-async\r\n");
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
  const Answer answer = Parse(waiting.ReceiveAll());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body["stdout"], "late\n");
  EXPECT_EQ(Send(Message("GET", target, "")).body["stdout"], "late\n");
  EXPECT_EQ(Send(Message("GET", "/v1/executions/nothing", "")).status, 404);
}

TEST_F(GatewayTest, AnIdempotencyKeyIsOneCall) {
  const std::string key = "Idempotency-Key: k1\r\nPrefer: respond-async\r\n";
  const Answer first = Run(kPrint, key);
  const Answer again = Run(kPrint, key);
  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(again.body["execution"], first.body["execution"]);
  EXPECT_EQ(Objects(), 2U);
  const Answer other = Run(R"({"language":"python","code":"print 2"})", key);
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
  const Answer late = Run(kPrint, key);
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
  const Answer answer = Parse(client.ReceiveAll());
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.body["error"]["code"], "TooManyOpenApprovals");
}

TEST_F(GatewayTest, Destroy) {
  fake_->Put(kube::kSandboxes, {{"metadata", {{"name", "mine"}, {"namespace", "agents"}}},
                                {"spec", {{"language", "python"}}}});
  const std::string body = R"({"sandbox_id":"mine"})";
  const std::string message = Message("POST", "/v1/tools/code_destroy_sandbox", body);
  EXPECT_EQ(Send(message).body,
            Json({{"success", true}, {"sandbox_id", "mine"}, {"error", nullptr}}));
  EXPECT_EQ(Objects(), 0U);
  EXPECT_EQ(Send(message).body,
            Json({{"success", false}, {"sandbox_id", "mine"}, {"error", "Sandbox not found"}}));
}

TEST_F(GatewayTest, NamespacesByHeaderAccountOrDefault) {
  const std::string async = "Prefer: respond-async\r\n";
  Run(kPrint, async + "Sandgate-Namespace: team-a\r\n");
  Run(kPrint, async, "user");
  EXPECT_EQ(fake_->All(kube::kExecutions, "team-a").size(), 1U);
  EXPECT_EQ(fake_->All(kube::kExecutions, "default").size(), 1U);
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
  const Answer answer = Parse(client.ReceiveAll());
  EXPECT_TRUE(answer.status == 202 || answer.status == 503) << answer.status;
  EXPECT_EQ(Run(kPrint).status, 503);
}

TEST_F(GatewayTest, CatalogAndUnknownPaths) {
  const Answer tools = Send(Message("GET", "/v1/tools", "", "", ""));
  EXPECT_EQ(tools.status, 200);
  EXPECT_EQ(tools.body["tools"].size(), 2U);
  const Answer openapi = Send(Message("GET", "/openapi.json", "", "", ""));
  EXPECT_EQ(openapi.body["openapi"], "3.1.0");
  EXPECT_TRUE(openapi.body["paths"].contains("/v1/tools/code_execute"));
  EXPECT_EQ(Send(Message("GET", "/etc/passwd", "")).status, 404);
  const Answer wrong = Send(Message("GET", "/v1/tools/code_execute", ""));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.Header("Allow"), "POST");
}

class GatewayAudienceTest : public GatewayTest {
 protected:
  void SetUp() override {
    audience_ = "sandgate";
    GatewayTest::SetUp();
  }
};

// "agent" is authenticated, but by something that does not know audiences.
TEST_F(GatewayAudienceTest, TheAudienceIsDemanded) {
  EXPECT_EQ(Run(kPrint, "Prefer: respond-async\r\n", "agent").status, 401);
  EXPECT_EQ(Run(kPrint, "Prefer: respond-async\r\n", "aud").status, 202);
}

}  // namespace
}  // namespace sandgate::gateway
