#include "api-gateway/schema_parts.h"
#include "api-gateway/tool_call.h"
#include "api-gateway/tool_schemas.h"

namespace sandgate::gateway {
namespace {

using api::Json;
using namespace schema;

Json SandboxName(const char* description) {
  Json name = Text(description);
  name["pattern"] = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
  name["maxLength"] = kMaxSandboxName;
  return name;
}

Json Path(const char* description) {
  Json path = Text(description);
  path["minLength"] = 1;
  path["maxLength"] = kMaxPathBytes;
  return path;
}

Json LimitsSchema() {
  Json cores = {
      {"type", "number"}, {"minimum", 0.01}, {"maximum", 64}, {"description", "CPU cores."}};
  Json limits =
      Object({{"max_memory_mb", Integer("Memory one run may use, in MB.", 1, 65536)},
              {"max_cpu_cores", std::move(cores)},
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
  Json code = Text("Code to execute, at most 262144 bytes.");
  code["minLength"] = 1;
  Json domains = ListOf({{"type", "string"}, {"maxLength", 253}},
                        "Domains the code may reach over HTTPS when network_enabled is true; "
                        "*.example.com stands for one label in front. Without any: those of the "
                        "sandbox.");
  domains["maxItems"] = kMaxDomains;
  return Object({{"language", OneOf("Language of the code.", {"python", "javascript", "shell"})},
                 {"code", std::move(code)},
                 {"sandbox_id", SandboxName("Existing sandbox; a new one is made without it.")},
                 {"timeout", Integer("Seconds the code may run (default: the sandbox's, 30).", 1,
                                     kMaxTimeoutSeconds)},
                 {"network_enabled", Flag("Ask for network access (needs a human's approval).")},
                 {"allowed_domains", std::move(domains)},
                 {"limits", LimitsSchema()}},
                {"language", "code"});
}

Json InstallSchema() {
  Json package = Text("Package name with an optional version: requests==2.31.0, axios@1.6.0.");
  package["minLength"] = 1;
  package["maxLength"] = kMaxPackageBytes;
  Json registry = Text("Registry by name: pypi (the default) or npm.");
  registry["maxLength"] = kMaxRegistryBytes;
  return Object({{"sandbox_id", SandboxName("Sandbox, made with network access.")},
                 {"package", std::move(package)},
                 {"registry", std::move(registry)},
                 {"timeout", Integer("Seconds the install may take (default: the sandbox's, 30).",
                                     1, kMaxTimeoutSeconds)}},
                {"sandbox_id", "package"});
}

Json WriteFileSchema() {
  Json mode = Text("Permissions in octal, for example 0755 for a program.");
  mode["pattern"] = "^0?[0-7]{3}$";
  return Object(
      {{"sandbox_id", SandboxName("Sandbox to write in.")},
       {"file_path", Path("File path relative to /workspace; missing folders are made.")},
       {"content", Text("The content, at most 524288 bytes; \"\" makes an empty file.")},
       {"encoding", OneOf("How content is written: text (UTF-8, the default) or base64 of the "
                          "bytes.",
                          {"text", "base64"})},
       {"append", Flag("Add to the end of the file instead of replacing it.")},
       {"mode", std::move(mode)}},
      {"sandbox_id", "file_path", "content"});
}

Json ReadFileSchema() {
  return Object({{"sandbox_id", SandboxName("Sandbox to read from.")},
                 {"file_path", Path("File path relative to /workspace.")},
                 {"encoding", OneOf("text (the default; a file that is not UTF-8 comes as base64 "
                                    "all the same), or base64.",
                                    {"text", "base64"})}},
                {"sandbox_id", "file_path"});
}

Json ListFilesSchema() {
  Json cursor = Text("next_cursor of the answer before, for the entries after it.");
  cursor["minLength"] = 1;
  cursor["maxLength"] = kMaxCursorBytes;
  return Object(
      {{"sandbox_id", SandboxName("Sandbox to look into.")},
       {"path", Path("Directory path relative to /workspace (default: .).")},
       {"limit", Integer("How many entries at most (default: 1000).", 1, api::kMaxListLimit)},
       {"cursor", std::move(cursor)}},
      {"sandbox_id"});
}

}  // namespace

Json ParametersSchema(const std::string& tool) {
  if (tool == "code_execute") return CodeExecuteSchema();
  if (tool == "code_install_package") return InstallSchema();
  if (tool == "code_write_file") return WriteFileSchema();
  if (tool == "code_read_file") return ReadFileSchema();
  if (tool == "code_list_files") return ListFilesSchema();
  return Object({{"sandbox_id", SandboxName("Sandbox to destroy.")}}, {"sandbox_id"});
}

}  // namespace sandgate::gateway
