// The Execution kind (crds/executions.yaml): one tool call.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/file_entry.h"
#include "libs/api/meta.h"
#include "libs/api/package.h"
#include "libs/api/sandbox.h"

namespace sandgate::api {

enum class Operation { kExecute, kInstallPackage, kWriteFile, kReadFile, kListFiles };
const char* OperationName(Operation operation);  // "Execute", as in spec.operation
std::optional<Operation> ParseOperation(std::string_view name);
bool IsFileOperation(Operation operation);  // WriteFile, ReadFile, ListFiles
const char* ToolName(Operation operation);  // "code_execute", the seed's name

enum class RiskLevel { kLow, kMedium, kHigh, kCritical };
const char* RiskName(
    RiskLevel level);  // "LOW"; the virtual resource risklevels/<level> is lower case
std::optional<RiskLevel> ParseRisk(std::string_view name);

struct ExecutionSpec {
  std::string sandbox_name;
  Operation operation = Operation::kExecute;
  bool cancel = false;
  std::optional<int64_t> timeout_seconds;
  bool network_enabled = false;
  std::vector<std::string> allowed_domains;
  Requester requester;

  // Execute
  Language language = Language::kPython;
  std::string code;
  // InstallPackage
  std::string package, registry;
  // WriteFile, ReadFile, ListFiles
  std::string path;
  std::string content;  // bytes (contentBase64 is decoded)
  bool append = false;
  std::string mode;      // as written, "0644" or "644"; "" when absent
  std::string encoding;  // of ReadFile's answer: "text", "base64", or "" when absent
  std::optional<int64_t> limit;
  std::string cursor;

  bool operator==(const ExecutionSpec&) const = default;
};

inline constexpr size_t kMaxContentBytes = 512 * 1024;

// Permission bits of a spec's mode. nullopt for "" and for what is no mode ('^0?[0-7]{3}$').
std::optional<uint32_t> ParseFileMode(std::string_view mode);

enum class ExecutionPhase {
  kPending,
  kAwaitingApproval,
  kAdmitted,
  kRunning,
  kSucceeded,
  kFailed,
  kTimedOut,
  kDenied,
  kExpired,
  kCancelled,
  kLost
};
const char* PhaseName(ExecutionPhase phase);
std::optional<ExecutionPhase> ParsePhase(std::string_view name);
bool IsTerminal(ExecutionPhase phase);

// Who may run it where, exactly once. Written by compare-and-swap before the run is started.
struct Claim {
  std::string run_id;
  std::string pod_uid;
  std::string runner_boot_id;

  bool operator==(const Claim&) const = default;
};

struct Admission {
  std::string spec_hash;
  std::string policy_revision;
  std::string by;                         // "Auto" or "Approval"
  std::vector<std::string> domains = {};  // what a run with network may reach; else empty

  bool operator==(const Admission&) const = default;
};

struct ExecutionError {
  std::string code;     // "TimeoutError", "MemoryLimitExceeded", "SandboxNotFound", ...
  std::string message;  // for the agent: what happened and what to do
};

// Output that did not fit inline: gzip in immutable ConfigMaps owned by the Execution.
struct OutputRef {
  std::vector<std::string> config_maps;
  std::string sha256;  // of the text, uncompressed
  int64_t bytes = 0;
};

struct ExecutionStatus {
  int64_t observed_generation = 0;
  std::optional<ExecutionPhase> phase;  // absent: not yet seen by the operator
  std::optional<RiskLevel> risk;
  std::vector<std::string> risk_reasons;
  std::string approval_name, approval_uid;
  std::optional<Admission> admission;
  std::optional<Claim> claim;
  std::optional<base::Time> start_time, completion_time;
  std::optional<int64_t> execution_time_millis;
  std::optional<int64_t> exit_code;
  std::optional<std::string> out, err;  // stdout, stderr (those names are macros in C)
  bool stdout_truncated = false, stderr_truncated = false;
  bool stdout_replaced = false, stderr_replaced = false;
  std::optional<OutputRef> stdout_ref, stderr_ref;
  // ReadFile: how stdout holds the file's bytes, "text" or "base64"; both are exact.
  std::string content_encoding;
  // ListFiles
  std::vector<FileEntry> files;
  bool files_truncated = false;  // there are more: files_cursor asks for them
  std::string files_cursor;
  // InstallPackage that succeeded: what it brought, as its installer reports it.
  std::vector<InstalledPackage> packages;
  std::optional<ExecutionError> error;
  Conditions conditions;

  bool terminal() const { return phase && IsTerminal(*phase); }
};

struct Execution {
  ObjectMeta meta;
  ExecutionSpec spec;
  ExecutionStatus status;

  static base::Result<Execution> FromJson(const Json& json);
};

Json ToJson(const ExecutionStatus& status);

}  // namespace sandgate::api
