// What the gateway says of its tools is what they take and give.
#include <gtest/gtest.h>

#include "api-gateway/objects_logic.h"
#include "api-gateway/result_logic.h"
#include "api-gateway/tool_catalog.h"
#include "api-gateway/tool_request_logic.h"
#include "api-gateway/tool_schemas.h"

namespace sandgate::gateway {
namespace {

using api::Json;

TEST(GatewayCatalog, EveryToolTakesWhatItsSchemaNames) {
  for (const ToolSchema& tool : ToolSchemas()) {
    for (const auto& [name, schema] : tool.parameters["properties"].items()) {
      // A wrong value is refused as such, and not as an unknown parameter.
      const auto parsed =
          ParseToolCall(tool.name, Json({{name, Json::array({Json::object()})}}).dump());
      const auto* error = std::get_if<CallError>(&parsed);
      ASSERT_NE(error, nullptr) << tool.name << " " << name;
      EXPECT_EQ(error->message.find("is not a parameter"), std::string::npos)
          << tool.name << " " << name << ": " << error->message;
    }
    for (const Json& name : tool.parameters["required"]) {
      EXPECT_TRUE(tool.parameters["properties"].contains(name)) << tool.name << name;
    }
    EXPECT_EQ(tool.parameters["additionalProperties"], false);
  }
}

TEST(GatewayCatalog, EveryToolRefusesWhatItsSchemaDoesNotName) {
  for (const ToolSchema& tool : ToolSchemas()) {
    Json body = {{"sandbox_id", "a"}, {"language", "python"}, {"code", "x"},
                 {"package", "p"},    {"file_path", "f"},     {"content", "c"}};
    const Json all = body;
    for (const auto& [name, value] : all.items()) {
      if (!tool.parameters["properties"].contains(name)) body.erase(name);
    }
    EXPECT_TRUE(std::holds_alternative<ToolCall>(ParseToolCall(tool.name, body.dump())))
        << tool.name;
    body["surprise"] = 1;
    const auto parsed = ParseToolCall(tool.name, body.dump());
    ASSERT_TRUE(std::holds_alternative<CallError>(parsed)) << tool.name;
    EXPECT_EQ(std::get<CallError>(parsed).field, "surprise") << tool.name;
  }
}

// Of a call that was never made: every member that its schema requires, and none that it does not
// name.
TEST(GatewayCatalog, ResultsHaveTheirSchemasShape) {
  const std::vector<ExecutionCall> calls = {CodeExecute{"a", {}, "x", {}, {}, {}, {}},
                                            InstallPackage{"a", "p", "", {}},
                                            WriteFile{"a", "f", "c", true, false, ""},
                                            ReadFile{"a", "f", ""}, ListFiles{"a", "", {}, ""}};
  for (size_t i = 0; i < calls.size(); ++i) {
    const ToolSchema& tool = ToolSchemas()[i];
    const auto asked = api::Execution::FromJson(ExecutionFor(calls[i], "e", "n", "a", {"u", ""}));
    ASSERT_TRUE(asked.ok()) << tool.name << asked.status().message();
    EXPECT_EQ(api::ToolName(asked->spec.operation), tool.name);
    const Json absent = SandboxNotFound(*asked);
    EXPECT_EQ(absent["error"], "Sandbox not found");
    EXPECT_FALSE(absent.contains("execution"));
    for (const Json& result : {absent, ResultOf(*asked)}) {
      for (const auto& [name, value] : result.items()) {
        EXPECT_TRUE(tool.result["properties"].contains(name)) << tool.name << " " << name;
      }
      for (const Json& name : tool.result["required"]) {
        EXPECT_TRUE(result.contains(name)) << tool.name << " " << name;
      }
    }
  }
}

TEST(GatewayCatalog, OpenApiRefersToWhatItHas) {
  const Json api = Json::parse(OpenApiJson());
  for (const ToolSchema& tool : ToolSchemas()) {
    const Json& post = api["paths"]["/v1/tools/" + tool.name]["post"];
    EXPECT_EQ(post["requestBody"]["content"]["application/json"]["schema"], tool.parameters);
    const std::string ref =
        post["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    EXPECT_EQ(api.at(Json::json_pointer(ref.substr(1))), tool.result);
  }
}

}  // namespace
}  // namespace sandgate::gateway
