// A tool call's JSON body to a typed call, or to one clear error. Pure. Strict: what is not known
// is refused, since a misspelt "timeout" must not silently mean the default.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api-gateway/call_error.h"
#include "libs/api/sandbox.h"

namespace sandgate::gateway {

// The CRDs' bounds (crds/*.yaml): checked here as well, so that the caller is told in the words of
// its own parameters, and nothing is created before all of it is known to be good.
inline constexpr size_t kMaxCodeBytes = 256 * 1024;
inline constexpr int64_t kMaxTimeoutSeconds = 86400;
inline constexpr size_t kMaxDomains = 64;
inline constexpr size_t kMaxSandboxName = 52;

// The seed's Custom Limits, for a new sandbox.
struct SandboxLimits {
  std::optional<int64_t> max_memory_mb;
  std::optional<double> max_cpu_cores;
  std::optional<int64_t> max_disk_mb;
  std::optional<int64_t> max_execution_time;
  std::optional<int64_t> max_output_bytes;
};

struct CodeExecute {
  api::Language language = api::Language::kPython;
  std::string code;
  std::string sandbox_id;  // "" = a new one
  std::optional<int64_t> timeout;
  bool network_enabled = false;
  std::vector<std::string> allowed_domains;
  SandboxLimits limits;
};

struct DestroySandbox {
  std::string sandbox_id;
};

using ToolCall = std::variant<CodeExecute, DestroySandbox>;

// `tool` is the last segment of the path. Status 404 for a tool that does not exist (here), 400
// for a body that is no JSON object, 422 with the field for everything else.
std::variant<ToolCall, CallError> ParseToolCall(std::string_view tool, std::string_view body);

// RFC 1123 label of at most `max` characters.
bool IsDnsLabel(std::string_view text, size_t max);
// What spec.network.allowedDomains takes: lower case, two labels at least, "*." allowed in front.
bool IsDomain(std::string_view text);

}  // namespace sandgate::gateway
