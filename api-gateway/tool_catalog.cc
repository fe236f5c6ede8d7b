#include "api-gateway/tool_catalog.h"

#include "api-gateway/schema_parts.h"
#include "api-gateway/tool_schemas.h"
#include "libs/api/json.h"

namespace sandgate::gateway {
namespace {

using api::Json;
using schema::Text;

Json ProgressSchema() {
  return {{"type", "object"},
          {"properties",
           {{"execution", Text("Name of the Execution object.")},
            {"sandbox_id", Text("Sandbox of the call.")},
            {"phase", Text("Pending, AwaitingApproval, Admitted or Running.")},
            {"message", Text("What it waits for.")},
            {"approval", Text("Approval that waits for a human.")}}}};
}

Json ErrorSchema() {
  return {{"type", "object"},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"properties",
               {{"code", Text("One word for programs.")},
                {"message", Text("What is wrong and what would be right.")},
                {"field", Text("Parameter or header it is about.")}}},
              {"required", {"code", "message"}}}}}}};
}

Json Named(const std::string& schema) {
  return {{"$ref", "#/components/schemas/" + schema}};
}

Json Answer(const char* description, Json schema) {
  return {{"description", description},
          {"content", {{"application/json", {{"schema", std::move(schema)}}}}}};
}

Json Answers(Json result) {
  return {{"200", Answer("The result; success: false is one, too.", std::move(result))},
          {"202", Answer("Not ended yet; ask again at Location.", Named("Progress"))},
          {"default", Answer("Not a result of the tool.", Named("Error"))}};
}

// Each tool's result has a name: what an Execution gives is one of them.
std::string ResultName(const std::string& tool) {
  return tool + "_result";
}

Json AnyResult() {
  Json results = Json::array();
  for (const ToolSchema& tool : ToolSchemas()) {
    if (tool.name != "code_destroy_sandbox") results.push_back(Named(ResultName(tool.name)));
  }
  return {{"anyOf", std::move(results)}};
}

Json Components() {
  Json schemas = {{"Progress", ProgressSchema()}, {"Error", ErrorSchema()}};
  for (const ToolSchema& tool : ToolSchemas()) schemas[ResultName(tool.name)] = tool.result;
  return {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}},
          {"schemas", std::move(schemas)}};
}

Json ToolList() {
  Json tools = Json::array();
  for (const ToolSchema& tool : ToolSchemas()) {
    tools.push_back({{"name", tool.name},
                     {"description", tool.description},
                     {"parameters", tool.parameters},
                     {"result", tool.result}});
  }
  return {{"tools", std::move(tools)}};
}

Json Parameter(const char* in, const char* name, const char* description) {
  return {{"in", in},
          {"name", name},
          {"required", std::string(in) == "path"},
          {"description", description},
          {"schema", {{"type", "string"}}}};
}

Json OpenApi() {
  const Json ns = Parameter("header", "Sandgate-Namespace",
                            "Namespace; the ServiceAccount's own, or default, without it.");
  const Json key = Parameter("header", "Idempotency-Key",
                             "The same key again gives the same call; with another body 409.");
  const Json prefer = Parameter("header", "Prefer", "respond-async: 202 at once.");
  const Json wait = Parameter("query", "wait", "How long to wait for the end: 30s, at most 10m.");
  Json paths;
  for (const ToolSchema& tool : ToolSchemas()) {
    paths["/v1/tools/" + tool.name]["post"] = {
        {"summary", tool.description},
        {"operationId", tool.name},
        {"parameters", {ns, key, prefer}},
        {"requestBody",
         {{"required", true}, {"content", {{"application/json", {{"schema", tool.parameters}}}}}}},
        {"responses", Answers(Named(ResultName(tool.name)))}};
  }
  paths["/v1/executions/{name}"]["get"] = {
      {"summary", "The result of a call, or how far it is."},
      {"operationId", "get_execution"},
      {"parameters", {Parameter("path", "name", "Name of the Execution."), wait, ns}},
      {"responses", Answers(AnyResult())}};
  paths["/v1/tools"]["get"] = {{"summary", "The tools with JSON Schemas of their parameters."},
                               {"operationId", "list_tools"},
                               {"security", Json::array()},
                               {"responses", {{"200", {{"description", "The tools."}}}}}};
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "Sandgate"}, {"version", SANDGATE_VERSION}}},
          {"paths", std::move(paths)},
          {"security", Json::array({{{"token", Json::array()}}})},
          {"components", Components()}};
}

}  // namespace

const std::string& ToolListJson() {
  static const std::string text = api::DumpJson(ToolList()) + "\n";
  return text;
}

const std::string& OpenApiJson() {
  static const std::string text = api::DumpJson(OpenApi()) + "\n";
  return text;
}

}  // namespace sandgate::gateway
