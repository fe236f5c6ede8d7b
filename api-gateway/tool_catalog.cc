#include "api-gateway/tool_catalog.h"

#include "api-gateway/tool_request_logic.h"
#include "libs/api/json.h"

namespace sandgate::gateway {
namespace {

using api::Json;

Json Text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

Json Integer(const char* description, int64_t min, int64_t max) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}, {"description", description}};
}

Json Object(Json properties, Json required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

Json SandboxName(const char* description) {
  Json name = Text(description);
  name["pattern"] = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
  name["maxLength"] = kMaxSandboxName;
  return name;
}

Json LimitsSchema() {
  Json limits = Object(
      {{"max_memory_mb", Integer("Memory one run may use, in MB.", 1, 65536)},
       {"max_cpu_cores",
        {{"type", "number"}, {"minimum", 0.01}, {"maximum", 64}, {"description", "CPU cores."}}},
       {"max_disk_mb", Integer("Size of /workspace, in MB.", 1, 65536)},
       {"max_execution_time",
        Integer("Seconds a call may run that names no timeout.", 1, kMaxTimeoutSeconds)},
       {"max_output_bytes",
        Integer("Bytes kept of stdout, and as many of stderr.", 1, 10 * 1024 * 1024)}},
      Json::array());
  limits["description"] = "Limits of the new sandbox; not together with sandbox_id.";
  return limits;
}

Json CodeExecuteSchema() {
  Json language = Text("Language of the code.");
  language["enum"] = {"python", "javascript", "shell"};
  Json code = Text("Code to execute, at most 262144 bytes.");
  code["minLength"] = 1;
  Json domains = {{"type", "array"},
                  {"maxItems", kMaxDomains},
                  {"items", {{"type", "string"}, {"maxLength", 253}}},
                  {"description", "Domains the code may reach when network_enabled is true."}};
  return Object({{"language", language},
                 {"code", code},
                 {"sandbox_id", SandboxName("Existing sandbox; a new one is made without it.")},
                 {"timeout", Integer("Seconds the code may run (default: the sandbox's, 30).", 1,
                                     kMaxTimeoutSeconds)},
                 {"network_enabled",
                  {{"type", "boolean"},
                   {"description", "Ask for network access (needs a human's approval)."}}},
                 {"allowed_domains", domains},
                 {"limits", LimitsSchema()}},
                {"language", "code"});
}

Json Tools() {
  return {{{"name", "code_execute"},
           {"description",
            "Execute code in an isolated gVisor sandbox. Waits for a human's approval and for the "
            "run."},
           {"parameters", CodeExecuteSchema()}},
          {{"name", "code_destroy_sandbox"},
           {"description", "Destroy a sandbox with its workspace and everything that runs in it."},
           {"parameters",
            Object({{"sandbox_id", SandboxName("Sandbox to destroy.")}}, {"sandbox_id"})}}};
}

Json Nullable(const char* type, const char* description) {
  return {{"type", {type, "null"}}, {"description", description}};
}

Json Flag(const char* description) {
  return {{"type", "boolean"}, {"description", description}};
}

Json ResultSchema() {
  return {
      {"type", "object"},
      {"properties",
       {{"success", Flag("The code ended with exit code 0, or the sandbox was destroyed.")},
        {"sandbox_id", Text("Sandbox of the call.")},
        {"stdout", Text("Standard output.")},
        {"stderr", Text("Standard error.")},
        {"exit_code", Nullable("integer",
                               "128+n for signal n, -1 after a timeout; null when "
                               "nothing ran.")},
        {"execution_time", {{"type", "number"}, {"description", "Seconds the code ran."}}},
        {"error", Nullable("string", "TimeoutError, Sandbox not found, or Code: message.")},
        {"execution", Text("Name of the Execution object.")},
        {"stdout_truncated", Flag("The output limit was reached; absent otherwise.")},
        {"stderr_truncated", Flag("The output limit was reached; absent otherwise.")},
        {"stdout_replaced", Flag("Bytes that are not UTF-8 were replaced; absent otherwise.")},
        {"stderr_replaced", Flag("Bytes that are not UTF-8 were replaced; absent otherwise.")}}},
      {"required", {"success", "sandbox_id", "error"}}};
}

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

Json Answer(const char* description, const char* schema) {
  return {{"description", description},
          {"content",
           {{"application/json",
             {{"schema", {{"$ref", std::string("#/components/schemas/") + schema}}}}}}}};
}

Json Answers() {
  return {{"200", Answer("The result; success: false is one, too.", "Result")},
          {"202", Answer("Not ended yet; ask again at Location.", "Progress")},
          {"default", Answer("Not a result of the tool.", "Error")}};
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
  for (const Json& tool : Tools()) {
    paths["/v1/tools/" + tool["name"].get<std::string>()]["post"] = {
        {"summary", tool["description"]},
        {"operationId", tool["name"]},
        {"parameters", {ns, key, prefer}},
        {"requestBody",
         {{"required", true},
          {"content", {{"application/json", {{"schema", tool["parameters"]}}}}}}},
        {"responses", Answers()}};
  }
  paths["/v1/executions/{name}"]["get"] = {
      {"summary", "The result of a call, or how far it is."},
      {"operationId", "get_execution"},
      {"parameters", {Parameter("path", "name", "Name of the Execution."), wait, ns}},
      {"responses", Answers()}};
  paths["/v1/tools"]["get"] = {{"summary", "The tools with JSON Schemas of their parameters."},
                               {"operationId", "list_tools"},
                               {"security", Json::array()},
                               {"responses", {{"200", {{"description", "The tools."}}}}}};
  return {
      {"openapi", "3.1.0"},
      {"info", {{"title", "Sandgate"}, {"version", SANDGATE_VERSION}}},
      {"paths", paths},
      {"security", Json::array({{{"token", Json::array()}}})},
      {"components",
       {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}},
        {"schemas",
         {{"Result", ResultSchema()}, {"Progress", ProgressSchema()}, {"Error", ErrorSchema()}}}}}};
}

}  // namespace

const std::string& ToolListJson() {
  static const std::string text = api::DumpJson({{"tools", Tools()}}) + "\n";
  return text;
}

const std::string& OpenApiJson() {
  static const std::string text = api::DumpJson(OpenApi()) + "\n";
  return text;
}

}  // namespace sandgate::gateway
