// Each tool through the gateway: what it makes of a call, and of the Execution that ended.
#include "tests/unit/gateway_fixture.h"

namespace sandgate::gateway {
namespace {

class GatewayToolsTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    fake_->Put(kube::kSandboxes, {{"metadata", {{"name", "mine"}, {"namespace", "agents"}}},
                                  {"spec", {{"language", "python"}}}});
  }

  // Calls the tool, lets the operator end the Execution so, and gives back the answer.
  GatewayAnswer Call(const std::string& tool, const Json& parameters, const Json& status) {
    http::RawClient client(server_->port());
    EXPECT_TRUE(client.Send(Message("POST", "/v1/tools/" + tool, parameters.dump())));
    execution_ = NewExecution();
    EXPECT_EQ(execution_["spec"]["sandboxName"], "mine");
    Finish(execution_, status);
    return Parse(client.ReceiveAll());
  }

  Json execution_;
};

TEST_F(GatewayToolsTest, Write) {
  const GatewayAnswer answer =
      Call("code_write_file",
           {{"sandbox_id", "mine"}, {"file_path", "data/in.csv"}, {"content", "a,b\n"}},
           {{"phase", "Succeeded"}});
  EXPECT_EQ(execution_["spec"]["operation"], "WriteFile");
  EXPECT_EQ(execution_["spec"]["writeFile"], Json({{"path", "data/in.csv"}, {"content", "a,b\n"}}));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, Json({{"success", true},
                               {"sandbox_id", "mine"},
                               {"file_path", "data/in.csv"},
                               {"error", nullptr},
                               {"execution", execution_["metadata"]["name"]}}));
}

TEST_F(GatewayToolsTest, ReadIsAskedForLaterInItsOwnShape) {
  const GatewayAnswer first =
      Send(Message("POST", "/v1/tools/code_read_file", R"({"sandbox_id":"mine","file_path":"o"})",
                   "Prefer: respond-async\r\n"));
  EXPECT_EQ(first.status, 202);
  Finish(NewExecution(), {{"phase", "Succeeded"}, {"stdout", "42\n"}, {"contentEncoding", "text"}});
  const GatewayAnswer answer = Send(Message("GET", first.Header("Location"), ""));
  EXPECT_EQ(answer.body, Json({{"success", true},
                               {"sandbox_id", "mine"},
                               {"file_path", "o"},
                               {"content", "42\n"},
                               {"encoding", "text"},
                               {"error", nullptr},
                               {"execution", first.body["execution"]}}));
}

TEST_F(GatewayToolsTest, AnErrorOfTheOperatorsIsTheToolsError) {
  const Json status = {{"phase", "Failed"},
                       {"error", {{"code", "FileNotFound"}, {"message", "there is no \"x\""}}}};
  const GatewayAnswer answer =
      Call("code_read_file", {{"sandbox_id", "mine"}, {"file_path", "x"}}, status);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body["success"], false);
  EXPECT_EQ(answer.body["content"], "");
  EXPECT_EQ(answer.body["error"], "FileNotFound: there is no \"x\"");
}

TEST_F(GatewayToolsTest, InstallWithoutNetwork) {
  const Json status = {{"phase", "Failed"},
                       {"error", {{"code", "NetworkAccessRequired"}, {"message", "no network"}}}};
  const GatewayAnswer answer =
      Call("code_install_package", {{"sandbox_id", "mine"}, {"package", "requests"}}, status);
  EXPECT_EQ(execution_["spec"]["installPackage"], Json({{"package", "requests"}}));
  EXPECT_EQ(answer.body["error"], "Network access required for package installation");
  EXPECT_EQ(answer.body["registry"], "pypi");
}

TEST_F(GatewayToolsTest, AnAbsentSandboxIsAResultOfThatTool) {
  const Json bodies = {{"code_install_package", {{"package", "p"}}},
                       {"code_write_file", {{"file_path", "f"}, {"content", "c"}}},
                       {"code_read_file", {{"file_path", "f"}}},
                       {"code_list_files", Json::object()}};
  const Json shapes = {
      {"code_install_package",
       {{"package", "p"},
        {"registry", "pypi"},
        {"packages", Json::array()},
        {"stdout", ""},
        {"stderr", ""}}},
      {"code_write_file", {{"file_path", "f"}}},
      {"code_read_file", {{"file_path", "f"}, {"content", ""}, {"encoding", "text"}}},
      {"code_list_files", {{"path", "."}, {"files", Json::array()}, {"entries", Json::array()}}}};
  for (const auto& [tool, parameters] : bodies.items()) {
    Json body = parameters;
    body["sandbox_id"] = "nowhere";
    const GatewayAnswer answer = Send(Message("POST", "/v1/tools/" + tool, body.dump()));
    Json expected = shapes[tool];
    expected.update(
        {{"success", false}, {"sandbox_id", "nowhere"}, {"error", "Sandbox not found"}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, expected) << tool;
  }
  EXPECT_TRUE(fake_->All(kube::kExecutions).empty());
}

TEST_F(GatewayToolsTest, AnIdempotencyKeyHoldsForEveryTool) {
  const auto write = [this](const std::string& content) {
    const Json body = {{"sandbox_id", "mine"}, {"file_path", "f"}, {"content", content}};
    return Send(Message("POST", "/v1/tools/code_write_file", body.dump(),
                        "Idempotency-Key: w\r\nPrefer: respond-async\r\n"));
  };
  const GatewayAnswer first = write("one");
  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(write("one").body["execution"], first.body["execution"]);
  EXPECT_EQ(write("two").status, 409);
  // Another tool with the key is another call.
  EXPECT_EQ(Send(Message("POST", "/v1/tools/code_read_file",
                         R"({"sandbox_id":"mine","file_path":"f"})", "Idempotency-Key: w\r\n"))
                .status,
            409);
  EXPECT_EQ(fake_->All(kube::kExecutions).size(), 1U);
  // The result is there when the sandbox is gone.
  Finish(NewExecution(), {{"phase", "Succeeded"}});
  fake_->Remove(kube::kSandboxes, "agents", "mine");
  EXPECT_EQ(write("one").body["success"], true);
}

}  // namespace
}  // namespace sandgate::gateway
