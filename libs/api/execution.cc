#include "libs/api/execution.h"

#include "libs/api/runner_protocol.h"

namespace sandgate::api {
namespace {

constexpr Operation kOperations[] = {Operation::kExecute, Operation::kInstallPackage,
                                     Operation::kWriteFile, Operation::kReadFile,
                                     Operation::kListFiles};
constexpr RiskLevel kRiskLevels[] = {RiskLevel::kLow, RiskLevel::kMedium, RiskLevel::kHigh,
                                     RiskLevel::kCritical};
constexpr ExecutionPhase kPhases[] = {ExecutionPhase::kPending,   ExecutionPhase::kAwaitingApproval,
                                      ExecutionPhase::kAdmitted,  ExecutionPhase::kRunning,
                                      ExecutionPhase::kSucceeded, ExecutionPhase::kFailed,
                                      ExecutionPhase::kTimedOut,  ExecutionPhase::kDenied,
                                      ExecutionPhase::kExpired,   ExecutionPhase::kCancelled,
                                      ExecutionPhase::kLost};

base::Status Bad(const std::string& message) {
  return base::Status(base::Code::kInvalidArgument, message);
}

base::Status ReadWrite(const Json& write, ExecutionSpec* spec) {
  spec->content = StringOr(write, "content");
  spec->append = BoolOr(write, "append");
  spec->mode = StringOr(write, "mode");
  if (!spec->mode.empty() && !ParseFileMode(spec->mode)) {
    return Bad("spec.writeFile.mode: must be three octal digits");
  }
  if (!Member(write, "contentBase64").is_string()) return base::Status::Ok();
  auto bytes = Base64Decode(StringOr(write, "contentBase64"));
  if (!bytes) return Bad("spec.writeFile.contentBase64: is not base64");
  spec->content = *std::move(bytes);
  return base::Status::Ok();
}

// The member of the operation, for example spec.execute.
base::Status ReadOperation(const Json& json, ExecutionSpec* spec) {
  const auto operation = ParseOperation(StringOr(json, "operation"));
  if (!operation) return Bad("spec.operation: unknown operation");
  spec->operation = *operation;
  const Json& execute = Member(json, "execute");
  if (spec->operation == Operation::kExecute) {
    const auto language = ParseLanguage(StringOr(execute, "language"));
    if (!language) return Bad("spec.execute.language: must be python, javascript or shell");
    spec->language = *language;
    spec->code = StringOr(execute, "code");
    if (spec->code.empty()) return Bad("spec.execute.code: must not be empty");
    return base::Status::Ok();
  }
  const Json& install = Member(json, "installPackage");
  spec->package = StringOr(install, "package");
  spec->registry = StringOr(install, "registry");
  for (const char* member : {"writeFile", "readFile", "listFiles"}) {
    const Json& file = Member(json, member);
    if (file.is_object()) spec->path = StringOr(file, "path");
  }
  spec->encoding = StringOr(Member(json, "readFile"), "encoding");
  const Json& list = Member(json, "listFiles");
  if (Member(list, "limit").is_number_integer()) spec->limit = IntOr(list, "limit");
  spec->cursor = StringOr(list, "cursor");
  return ReadWrite(Member(json, "writeFile"), spec);
}

base::Result<ExecutionSpec> SpecFromJson(const Json& json) {
  ExecutionSpec spec;
  spec.sandbox_name = StringOr(json, "sandboxName");
  if (spec.sandbox_name.empty()) return Bad("spec.sandboxName: must not be empty");
  spec.cancel = BoolOr(json, "cancel");
  if (const Json& timeout = Member(json, "timeoutSeconds"); timeout.is_number_integer()) {
    spec.timeout_seconds = timeout.get<int64_t>();
  }
  const Json& network = Member(json, "network");
  spec.network_enabled = BoolOr(network, "enabled");
  spec.allowed_domains = StringsFromJson(Member(network, "allowedDomains"));
  spec.requester = RequesterFromJson(Member(json, "requester"));
  const base::Status read = ReadOperation(json, &spec);
  if (!read.ok()) return read;
  return spec;
}

std::optional<OutputRef> RefFromJson(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  return OutputRef{StringsFromJson(Member(json, "configMaps")), StringOr(json, "sha256"),
                   IntOr(json, "bytes")};
}

Json RefToJson(const OutputRef& ref) {
  return {{"configMaps", ref.config_maps}, {"sha256", ref.sha256}, {"bytes", ref.bytes}};
}

void ReadOutput(const Json& json, ExecutionStatus* status) {
  if (const Json& out = Member(json, "stdout"); out.is_string()) status->out = out;
  if (const Json& err = Member(json, "stderr"); err.is_string()) status->err = err;
  status->stdout_truncated = BoolOr(json, "stdoutTruncated");
  status->stderr_truncated = BoolOr(json, "stderrTruncated");
  status->stdout_replaced = BoolOr(json, "stdoutReplaced");
  status->stderr_replaced = BoolOr(json, "stderrReplaced");
  status->stdout_ref = RefFromJson(Member(json, "stdoutRef"));
  status->stderr_ref = RefFromJson(Member(json, "stderrRef"));
  status->content_encoding = StringOr(json, "contentEncoding");
  status->files = FilesFromJson(Member(json, "files"));
  status->files_truncated = BoolOr(json, "filesTruncated");
  status->files_cursor = StringOr(json, "filesCursor");
  if (auto packages = PackagesFromJson(Member(json, "packages")); packages.ok()) {
    status->packages = std::move(packages).value();
  }
}

ExecutionStatus StatusFromJson(const Json& json) {
  ExecutionStatus status;
  status.observed_generation = IntOr(json, "observedGeneration");
  status.phase = ParsePhase(StringOr(json, "phase"));
  const Json& risk = Member(json, "risk");
  status.risk = ParseRisk(StringOr(risk, "level"));
  status.risk_reasons = StringsFromJson(Member(risk, "reasons"));
  status.approval_name = StringOr(json, "approvalName");
  status.approval_uid = StringOr(json, "approvalUID");
  if (const Json& admission = Member(json, "admission"); admission.is_object()) {
    status.admission =
        Admission{StringOr(admission, "specHash"), StringOr(admission, "policyRevision"),
                  StringOr(admission, "by"), StringsFromJson(Member(admission, "domains"))};
  }
  if (const Json& claim = Member(json, "claim"); claim.is_object()) {
    status.claim =
        Claim{StringOr(claim, "runId"), StringOr(claim, "podUID"), StringOr(claim, "runnerBootID")};
  }
  status.start_time = TimeFromJson(json, "startTime");
  status.completion_time = TimeFromJson(json, "completionTime");
  if (Member(json, "executionTimeMillis").is_number_integer()) {
    status.execution_time_millis = IntOr(json, "executionTimeMillis");
  }
  if (Member(json, "exitCode").is_number_integer()) status.exit_code = IntOr(json, "exitCode");
  ReadOutput(json, &status);
  if (const Json& error = Member(json, "error"); error.is_object()) {
    status.error = ExecutionError{StringOr(error, "code"), StringOr(error, "message")};
  }
  status.conditions = ConditionsFromJson(Member(json, "conditions"));
  return status;
}

// What is known once the run has ended.
void WriteResult(const ExecutionStatus& status, Json* json) {
  if (status.start_time) (*json)["startTime"] = base::FormatTime(*status.start_time);
  if (status.completion_time) (*json)["completionTime"] = base::FormatTime(*status.completion_time);
  if (status.execution_time_millis) (*json)["executionTimeMillis"] = *status.execution_time_millis;
  if (status.exit_code) (*json)["exitCode"] = *status.exit_code;
  if (status.out) (*json)["stdout"] = *status.out;
  if (status.err) (*json)["stderr"] = *status.err;
  if (status.stdout_truncated) (*json)["stdoutTruncated"] = true;
  if (status.stderr_truncated) (*json)["stderrTruncated"] = true;
  if (status.stdout_replaced) (*json)["stdoutReplaced"] = true;
  if (status.stderr_replaced) (*json)["stderrReplaced"] = true;
  if (status.stdout_ref) (*json)["stdoutRef"] = RefToJson(*status.stdout_ref);
  if (status.stderr_ref) (*json)["stderrRef"] = RefToJson(*status.stderr_ref);
  if (!status.content_encoding.empty()) (*json)["contentEncoding"] = status.content_encoding;
  if (!status.files.empty()) (*json)["files"] = ToJson(status.files);
  if (status.files_truncated) (*json)["filesTruncated"] = true;
  if (!status.files_cursor.empty()) (*json)["filesCursor"] = status.files_cursor;
  if (!status.packages.empty()) (*json)["packages"] = ToJson(status.packages);
  if (status.error) {
    (*json)["error"] = {{"code", status.error->code}, {"message", status.error->message}};
  }
}

}  // namespace

const char* OperationName(Operation operation) {
  switch (operation) {
    case Operation::kExecute:
      return "Execute";
    case Operation::kInstallPackage:
      return "InstallPackage";
    case Operation::kWriteFile:
      return "WriteFile";
    case Operation::kReadFile:
      return "ReadFile";
    case Operation::kListFiles:
      return "ListFiles";
  }
  return "";
}

std::optional<Operation> ParseOperation(std::string_view name) {
  for (const Operation operation : kOperations) {
    if (name == OperationName(operation)) return operation;
  }
  return std::nullopt;
}

bool IsFileOperation(Operation operation) {
  switch (operation) {
    case Operation::kExecute:
    case Operation::kInstallPackage:
      return false;
    case Operation::kWriteFile:
    case Operation::kReadFile:
    case Operation::kListFiles:
      return true;
  }
  return false;
}

const char* ToolName(Operation operation) {
  switch (operation) {
    case Operation::kExecute:
      return "code_execute";
    case Operation::kInstallPackage:
      return "code_install_package";
    case Operation::kWriteFile:
      return "code_write_file";
    case Operation::kReadFile:
      return "code_read_file";
    case Operation::kListFiles:
      return "code_list_files";
  }
  return "";
}

const char* RiskName(RiskLevel level) {
  switch (level) {
    case RiskLevel::kLow:
      return "LOW";
    case RiskLevel::kMedium:
      return "MEDIUM";
    case RiskLevel::kHigh:
      return "HIGH";
    case RiskLevel::kCritical:
      return "CRITICAL";
  }
  return "";
}

std::optional<RiskLevel> ParseRisk(std::string_view name) {
  for (const RiskLevel level : kRiskLevels) {
    if (name == RiskName(level)) return level;
  }
  return std::nullopt;
}

const char* PhaseName(ExecutionPhase phase) {
  switch (phase) {
    case ExecutionPhase::kPending:
      return "Pending";
    case ExecutionPhase::kAwaitingApproval:
      return "AwaitingApproval";
    case ExecutionPhase::kAdmitted:
      return "Admitted";
    case ExecutionPhase::kRunning:
      return "Running";
    case ExecutionPhase::kSucceeded:
      return "Succeeded";
    case ExecutionPhase::kFailed:
      return "Failed";
    case ExecutionPhase::kTimedOut:
      return "TimedOut";
    case ExecutionPhase::kDenied:
      return "Denied";
    case ExecutionPhase::kExpired:
      return "Expired";
    case ExecutionPhase::kCancelled:
      return "Cancelled";
    case ExecutionPhase::kLost:
      return "Lost";
  }
  return "";
}

std::optional<ExecutionPhase> ParsePhase(std::string_view name) {
  for (const ExecutionPhase phase : kPhases) {
    if (name == PhaseName(phase)) return phase;
  }
  return std::nullopt;
}

bool IsTerminal(ExecutionPhase phase) {
  return phase >= ExecutionPhase::kSucceeded;
}

std::optional<uint32_t> ParseFileMode(std::string_view mode) {
  if (mode.size() == 4 && mode.front() == '0') mode.remove_prefix(1);
  if (mode.size() != 3) return std::nullopt;
  uint32_t bits = 0;
  for (const char digit : mode) {
    if (digit < '0' || digit > '7') return std::nullopt;
    bits = bits * 8 + static_cast<uint32_t>(digit - '0');
  }
  return bits;
}

base::Result<Execution> Execution::FromJson(const Json& json) {
  Execution execution;
  execution.meta = MetaFromJson(json);
  base::Result<ExecutionSpec> spec = SpecFromJson(Member(json, "spec"));
  if (!spec.ok()) return spec.status();
  execution.spec = std::move(spec).value();
  execution.status = StatusFromJson(Member(json, "status"));
  return execution;
}

Json ToJson(const ExecutionStatus& status) {
  Json json = {{"observedGeneration", status.observed_generation}};
  if (status.phase) json["phase"] = PhaseName(*status.phase);
  if (status.risk) {
    json["risk"] = {{"level", RiskName(*status.risk)}, {"reasons", status.risk_reasons}};
  }
  if (!status.approval_name.empty()) json["approvalName"] = status.approval_name;
  if (!status.approval_uid.empty()) json["approvalUID"] = status.approval_uid;
  if (status.admission) {
    json["admission"] = {{"specHash", status.admission->spec_hash},
                         {"policyRevision", status.admission->policy_revision},
                         {"by", status.admission->by}};
    if (!status.admission->domains.empty()) {
      json["admission"]["domains"] = status.admission->domains;
    }
  }
  if (status.claim) {
    json["claim"] = {{"runId", status.claim->run_id},
                     {"podUID", status.claim->pod_uid},
                     {"runnerBootID", status.claim->runner_boot_id}};
  }
  WriteResult(status, &json);
  json["conditions"] = ToJson(status.conditions);
  return json;
}

}  // namespace sandgate::api
