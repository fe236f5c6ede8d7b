// The seed's six tools as typed calls.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/workspace_path.h"
#include "libs/egress/domain_list.h"

namespace sandgate::gateway {

inline constexpr std::array<std::string_view, 6> kToolNames = {
    "code_execute",   "code_install_package", "code_write_file",
    "code_read_file", "code_list_files",      "code_destroy_sandbox"};

// The CRDs' bounds (crds/*.yaml): checked here as well, so that the caller is told in the words of
// its own parameters, and nothing is created before all of it is known to be good.
inline constexpr size_t kMaxCodeBytes = 256 * 1024;
using api::kMaxContentBytes;  // of a file, decoded
using api::kMaxPackageBytes;
using api::kMaxPathBytes;
inline constexpr size_t kMaxRegistryBytes = 64;
inline constexpr size_t kMaxCursorBytes = 512;
inline constexpr int64_t kMaxTimeoutSeconds = 86400;
using egress::kMaxDomains;
inline constexpr size_t kMaxSandboxName = 52;

// Of absent parameters, as the seed says. They stand in results; the objects leave them out.
inline constexpr char kDefaultRegistry[] = "pypi";
inline constexpr char kDefaultPath[] = ".";

// The seed's Custom Limits, for a new sandbox.
struct SandboxLimits {
  std::optional<int64_t> max_memory_mb;
  std::optional<double> max_cpu_cores;
  std::optional<int64_t> max_disk_mb;
  std::optional<int64_t> max_execution_time;
  std::optional<int64_t> max_output_bytes;
};

struct CodeExecute {
  std::string sandbox_id;  // "" = a new one
  api::Language language = api::Language::kPython;
  std::string code;
  std::optional<int64_t> timeout;
  bool network_enabled = false;
  std::vector<std::string> allowed_domains;
  SandboxLimits limits;
};

struct InstallPackage {
  std::string sandbox_id;
  std::string package;
  std::string registry;            // "" = kDefaultRegistry
  std::optional<int64_t> timeout;  // seconds
};

struct WriteFile {
  std::string sandbox_id;
  std::string file_path;
  std::string content;  // the bytes
  bool is_text = true;  // the caller sent them as text, and not as base64
  bool append = false;
  std::string mode;  // "" = the default
};

struct ReadFile {
  std::string sandbox_id;
  std::string file_path;
  std::string encoding;  // "" = text where it is text
};

struct ListFiles {
  std::string sandbox_id;
  std::string path;  // "" = kDefaultPath
  std::optional<int64_t> limit;
  std::string cursor;  // "" = from the beginning
};

// Those that become an Execution.
using ExecutionCall = std::variant<CodeExecute, InstallPackage, WriteFile, ReadFile, ListFiles>;

inline const std::string& SandboxIdOf(const ExecutionCall& call) {
  return std::visit([](const auto& tool) -> const std::string& { return tool.sandbox_id; }, call);
}

struct DestroySandbox {
  std::string sandbox_id;
};

using ToolCall = std::variant<ExecutionCall, DestroySandbox>;

}  // namespace sandgate::gateway
