#include "api-gateway/tool_request_logic.h"

#include <algorithm>

#include "api-gateway/body_reader.h"
#include "libs/api/json.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxBodyDepth = 16;

bool IsLowerAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

api::Language ReadLanguage(BodyReader* reader) {
  const std::string name = reader->RequiredText("language", 64);
  const auto language = api::ParseLanguage(name);
  if (!language) reader->Fail("language", "must be python, javascript or shell");
  return language.value_or(api::Language::kPython);
}

std::string ReadSandboxId(BodyReader* reader, bool required) {
  const std::string id =
      required ? reader->RequiredText("sandbox_id", 253) : reader->OptionalText("sandbox_id", 253);
  if (!id.empty() && !IsDnsLabel(id, kMaxSandboxName)) {
    reader->Fail("sandbox_id",
                 "must be a Sandbox's name: lower-case letters, digits and dashes, at most 52");
  }
  return id;
}

std::vector<std::string> ReadDomains(BodyReader* reader, bool network_enabled) {
  std::vector<std::string> domains = reader->OptionalTexts("allowed_domains", kMaxDomains, 253);
  for (size_t i = 0; i < domains.size(); ++i) {
    if (IsDomain(domains[i])) continue;
    reader->Fail("allowed_domains[" + std::to_string(i) + "]",
                 "must be a domain in lower case, for example files.example.com or "
                 "*.example.com; no scheme, port, path or address");
  }
  if (!domains.empty() && !network_enabled) {
    reader->Fail("allowed_domains", "needs network_enabled: true");
  }
  return domains;
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
  call.allowed_domains = ReadDomains(&reader, call.network_enabled);
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

}  // namespace

bool IsDnsLabel(std::string_view text, size_t max) {
  if (text.empty() || text.size() > max) return false;
  if (!IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

bool IsDomain(std::string_view text) {
  if (text.size() > 253) return false;
  if (text.starts_with("*.")) text.remove_prefix(2);
  size_t labels = 0;
  for (;;) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (!IsDnsLabel(label, 63)) return false;
    ++labels;
    if (dot == std::string_view::npos) {
      // The last label begins with a letter and has two characters: so no address is a domain.
      return labels >= 2 && label.size() >= 2 && label[0] >= 'a' && label[0] <= 'z';
    }
    text.remove_prefix(dot + 1);
  }
}

std::variant<ToolCall, CallError> ParseToolCall(std::string_view tool, std::string_view body) {
  const bool execute = tool == "code_execute";
  const bool destroy = tool == "code_destroy_sandbox";
  for (const char* later :
       {"code_install_package", "code_write_file", "code_read_file", "code_list_files"}) {
    if (tool != later) continue;
    return CallError{404, "ToolNotAvailable",
                     std::string(later) + " is not in this version; GET /v1/tools lists what is",
                     ""};
  }
  if (!execute && !destroy) {
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
  return execute ? ParseCodeExecute(*json) : ParseDestroy(*json);
}

}  // namespace sandgate::gateway
