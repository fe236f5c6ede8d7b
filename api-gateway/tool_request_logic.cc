#include "api-gateway/tool_request_logic.h"

#include <algorithm>
#include <iterator>

#include "api-gateway/body_reader.h"
#include "api-gateway/file_request_logic.h"
#include "api-gateway/parameters_logic.h"
#include "libs/api/json.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxBodyDepth = 16;

api::Language ReadLanguage(BodyReader* reader) {
  const std::string name = reader->RequiredText("language", 64);
  const auto language = api::ParseLanguage(name);
  if (!language) reader->Fail("language", "must be python, javascript or shell");
  return language.value_or(api::Language::kPython);
}

// *error gets the first mistake.
SandboxLimits ReadLimits(const api::Json& json, std::optional<CallError>* error) {
  BodyReader reader(json, "limits.");
  SandboxLimits limits;
  limits.max_memory_mb = reader.OptionalInteger("max_memory_mb", 1, 65536);
  limits.max_cpu_cores = reader.OptionalNumber("max_cpu_cores", 0.01, 64);
  limits.max_disk_mb = reader.OptionalInteger("max_disk_mb", 1, 65536);
  limits.max_execution_time = reader.OptionalInteger("max_execution_time", 1, kMaxTimeoutSeconds);
  limits.max_output_bytes = reader.OptionalInteger("max_output_bytes", 1, 10 * 1024 * 1024);
  *error = reader.Finish();
  return limits;
}

std::variant<ToolCall, CallError> ParseCodeExecute(const api::Json& json) {
  BodyReader reader(json);
  CodeExecute call;
  call.language = ReadLanguage(&reader);
  call.code = reader.RequiredText("code", kMaxCodeBytes);
  call.sandbox_id = ReadSandboxId(&reader, false);
  call.timeout = reader.OptionalInteger("timeout", 1, kMaxTimeoutSeconds);
  call.network_enabled = reader.OptionalBool("network_enabled");
  call.allowed_domains = ReadDomains(&reader, "allowed_domains");
  if (!call.allowed_domains.empty() && !call.network_enabled) {
    reader.Fail("allowed_domains", "needs network_enabled: true");
  }
  std::optional<CallError> limits_error;
  if (const api::Json* limits = reader.OptionalObject("limits")) {
    call.limits = ReadLimits(*limits, &limits_error);
    if (!call.sandbox_id.empty()) {
      reader.Fail("limits", "are a new sandbox's; leave them out, or leave sandbox_id out");
    }
  }
  if (auto error = reader.Finish()) return *error;
  if (limits_error) return *limits_error;
  return ToolCall(std::move(call));
}

std::variant<ToolCall, CallError> ParseDestroy(const api::Json& json) {
  BodyReader reader(json);
  DestroySandbox call;
  call.sandbox_id = ReadSandboxId(&reader, true);
  if (auto error = reader.Finish()) return *error;
  return ToolCall(std::move(call));
}

// The registry's rules are the operator's; here only what no package has.
std::string ReadPackage(BodyReader* reader) {
  const std::string package = reader->RequiredText("package", kMaxPackageBytes);
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  const char first = package.empty() ? 'a' : package[0];
  const bool starts = first == '@' || (first >= '0' && first <= '9') ||
                      (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
  if (!starts || std::any_of(package.begin(), package.end(), control)) {
    reader->Fail("package",
                 "must be a name with an optional version, for example requests==2.31.0 or "
                 "axios@1.6.0");
  }
  return package;
}

std::variant<ToolCall, CallError> ParseInstall(const api::Json& json) {
  BodyReader reader(json);
  InstallPackage call;
  call.sandbox_id = ReadSandboxId(&reader, true);
  call.package = ReadPackage(&reader);
  call.registry = reader.OptionalText("registry", 253);
  if (!call.registry.empty() && !IsDnsLabel(call.registry, kMaxRegistryBytes)) {
    reader.Fail("registry", "must be a registry's name: pypi or npm");
  }
  call.timeout = reader.OptionalInteger("timeout", 1, kMaxTimeoutSeconds);
  if (auto error = reader.Finish()) return *error;
  return ToolCall(std::move(call));
}

struct Tool {
  std::string_view name;
  std::variant<ToolCall, CallError> (*parse)(const api::Json& json);
};

constexpr Tool kTools[] = {
    {"code_execute", ParseCodeExecute},  {"code_install_package", ParseInstall},
    {"code_write_file", ParseWriteFile}, {"code_read_file", ParseReadFile},
    {"code_list_files", ParseListFiles}, {"code_destroy_sandbox", ParseDestroy}};
static_assert(std::size(kTools) == kToolNames.size());

}  // namespace

std::variant<ToolCall, CallError> ParseToolCall(std::string_view tool, std::string_view body) {
  const Tool* found = nullptr;
  for (const Tool& known : kTools) {
    if (known.name == tool) found = &known;
  }
  if (found == nullptr) {
    return CallError{404, "UnknownTool", "there is no such tool; GET /v1/tools lists them", ""};
  }
  const base::Result<api::Json> json = api::ParseJson(body, kMaxBodyDepth);
  if (!json.ok()) {
    return CallError{400, "InvalidJson", "the body is not valid JSON: " + json.status().message(),
                     ""};
  }
  if (!json->is_object()) {
    return CallError{400, "InvalidJson",
                     "the body must be a JSON object with the tool's parameters", ""};
  }
  return found->parse(*json);
}

}  // namespace sandgate::gateway
