// Who comes in, with what, and what there is to ask for.
#include "tests/unit/gateway_fixture.h"

namespace sandgate::gateway {
namespace {

TEST_F(GatewayTest, ASandboxThatIsNotThereIsAResult) {
  const GatewayAnswer answer = Run(R"({"language":"python","code":"x","sandbox_id":"nowhere"})");
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
    const GatewayAnswer answer = Run(row.body);
    EXPECT_EQ(answer.status, row.status) << row.body.substr(0, 80);
    EXPECT_EQ(api::StringOr(answer.body["error"], "field"), row.field) << row.body.substr(0, 80);
  }
  EXPECT_EQ(Run(R"({"language":"python","code":")" + std::string(3'000'000, 'a') + "\"}").status,
            413);
  EXPECT_EQ(Objects(), 0U);
}

TEST_F(GatewayTest, WhoIsNotKnownIsRefused) {
  EXPECT_EQ(Run(kPrint, "", "").status, 401);
  const GatewayAnswer answer = Run(kPrint, "", "stolen");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.body["error"]["code"], "Unauthorized");
  EXPECT_EQ(answer.Header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(Objects(), 0U);
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

TEST_F(GatewayTest, CatalogAndUnknownPaths) {
  const GatewayAnswer tools = Send(Message("GET", "/v1/tools", "", "", ""));
  EXPECT_EQ(tools.status, 200);
  ASSERT_EQ(tools.body["tools"].size(), kToolNames.size());
  for (size_t i = 0; i < kToolNames.size(); ++i) {
    EXPECT_EQ(tools.body["tools"][i]["name"], kToolNames[i]);
  }
  const GatewayAnswer openapi = Send(Message("GET", "/openapi.json", "", "", ""));
  EXPECT_EQ(openapi.body["openapi"], "3.1.0");
  EXPECT_TRUE(openapi.body["paths"].contains("/v1/tools/code_execute"));
  EXPECT_EQ(Send(Message("GET", "/etc/passwd", "")).status, 404);
  const GatewayAnswer wrong = Send(Message("GET", "/v1/tools/code_execute", ""));
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
