#include "api-gateway/result_logic.h"

#include "api-gateway/tool_call.h"

namespace sandgate::gateway {
namespace {

constexpr char kSandboxNotFound[] = "Sandbox not found";

// For phases that end without an error in the status (an operator of another version, a manual
// patch): the agent is told something all the same.
const char* DefaultError(api::ExecutionPhase phase) {
  switch (phase) {
    case api::ExecutionPhase::kTimedOut:
      return "TimeoutError";
    case api::ExecutionPhase::kDenied:
      return "ApprovalDenied: the request was denied";
    case api::ExecutionPhase::kExpired:
      return "ApprovalExpired: nobody decided in time, so the request was denied";
    case api::ExecutionPhase::kCancelled:
      return "Cancelled: the execution was cancelled";
    case api::ExecutionPhase::kLost:
      return "SandboxLost: the sandbox vanished; whether the code ended is not known";
    case api::ExecutionPhase::kPending:
    case api::ExecutionPhase::kAwaitingApproval:
    case api::ExecutionPhase::kAdmitted:
    case api::ExecutionPhase::kRunning:
    case api::ExecutionPhase::kSucceeded:
    case api::ExecutionPhase::kFailed:
      return nullptr;
  }
  return nullptr;
}

// The seed's texts stand alone; programs compare them.
std::string ErrorText(const api::ExecutionError& error) {
  if (error.code == "TimeoutError") return error.code;
  if (error.code == "SandboxNotFound") return kSandboxNotFound;
  if (error.code == "NetworkAccessRequired") {
    return "Network access required for package installation";
  }
  return error.message.empty() ? error.code : error.code + ": " + error.message;
}

api::Json ErrorOf(const api::ExecutionStatus& status) {
  if (status.error) return ErrorText(*status.error);
  const char* text = DefaultError(status.phase.value_or(api::ExecutionPhase::kPending));
  return text == nullptr ? api::Json() : api::Json(text);
}

const char* Waiting(api::ExecutionPhase phase) {
  switch (phase) {
    case api::ExecutionPhase::kPending:
      return "waiting for the operator";
    case api::ExecutionPhase::kAwaitingApproval:
      return "waiting for a human's approval";
    case api::ExecutionPhase::kAdmitted:
      return "admitted; waiting for the sandbox";
    case api::ExecutionPhase::kRunning:
      return "running";
    case api::ExecutionPhase::kSucceeded:
    case api::ExecutionPhase::kFailed:
    case api::ExecutionPhase::kTimedOut:
    case api::ExecutionPhase::kDenied:
    case api::ExecutionPhase::kExpired:
    case api::ExecutionPhase::kCancelled:
    case api::ExecutionPhase::kLost:
      return "ended";
  }
  return "";
}

void AddStreams(const api::ExecutionStatus& status, const WholeOutputs& whole, api::Json* result) {
  (*result)["stdout"] = whole.out ? *whole.out : status.out.value_or("");
  (*result)["stderr"] = whole.err ? *whole.err : status.err.value_or("");
  // Where the rest of a long output cannot be had, what is shown is a part, and says so.
  if (status.stdout_truncated || (status.stdout_ref && !whole.out)) {
    (*result)["stdout_truncated"] = true;
  }
  if (status.stderr_truncated || (status.stderr_ref && !whole.err)) {
    (*result)["stderr_truncated"] = true;
  }
  if (status.stdout_replaced) (*result)["stdout_replaced"] = true;
  if (status.stderr_replaced) (*result)["stderr_replaced"] = true;
}

void AddExecute(const api::ExecutionStatus& status, const WholeOutputs& whole, api::Json* result) {
  AddStreams(status, whole, result);
  (*result)["exit_code"] = status.exit_code ? api::Json(*status.exit_code) : api::Json();
  (*result)["execution_time"] =
      static_cast<double>(status.execution_time_millis.value_or(0)) / 1000.0;
}

// A part of a file is no content: programs would take it for the whole.
void AddContent(const api::ExecutionStatus& status, const WholeOutputs& whole, api::Json* result) {
  (*result)["encoding"] = status.content_encoding == "base64" ? "base64" : "text";
  const bool partial =
      status.stdout_truncated || status.stdout_replaced || (status.stdout_ref && !whole.out);
  (*result)["content"] = partial ? "" : whole.out ? *whole.out : status.out.value_or("");
  if (!partial || (*result)["success"] == false) return;
  (*result)["success"] = false;
  (*result)["error"] =
      "ContentUnavailable: the file was read, but its whole content is not at "
      "hand; read it again";
}

void AddFiles(const api::ExecutionStatus& status, api::Json* result) {
  api::Json names = api::Json::array();
  api::Json entries = api::Json::array();
  for (const api::FileEntry& file : status.files) {
    names.push_back(file.name);
    api::Json entry = {{"name", file.name},
                       {"type", api::FileTypeName(file.type)},
                       {"size", file.size},
                       {"mtime", base::FormatTime(file.mtime)}};
    if (!file.name_base64.empty()) entry["name_base64"] = file.name_base64;
    entries.push_back(std::move(entry));
  }
  (*result)["files"] = std::move(names);
  (*result)["entries"] = std::move(entries);
  if (status.files_truncated) (*result)["truncated"] = true;
  if (!status.files_cursor.empty()) (*result)["next_cursor"] = status.files_cursor;
}

}  // namespace

api::Json ResultOf(const api::Execution& execution, const WholeOutputs& whole) {
  const api::ExecutionStatus& status = execution.status;
  const api::ExecutionSpec& spec = execution.spec;
  const bool ended_well = status.phase == api::ExecutionPhase::kSucceeded;
  api::Json result;
  result["success"] = ended_well && status.exit_code.value_or(0) == 0;
  result["sandbox_id"] = spec.sandbox_name;
  result["error"] = ErrorOf(status);
  result["execution"] = execution.meta.name;
  switch (spec.operation) {
    case api::Operation::kExecute:
      AddExecute(status, whole, &result);
      break;
    case api::Operation::kInstallPackage:
      result["package"] = spec.package;
      result["registry"] = spec.registry.empty() ? kDefaultRegistry : spec.registry;
      result["packages"] = api::ToJson(status.packages);
      AddStreams(status, whole, &result);
      break;
    case api::Operation::kWriteFile:
      result["file_path"] = spec.path;
      break;
    case api::Operation::kReadFile:
      result["file_path"] = spec.path;
      AddContent(status, whole, &result);
      break;
    case api::Operation::kListFiles:
      result["path"] = spec.path.empty() ? kDefaultPath : spec.path;
      AddFiles(status, &result);
      break;
  }
  return result;
}

std::optional<CallError> LimitError(const api::Execution& execution) {
  const auto& error = execution.status.error;
  if (!error || execution.status.phase != api::ExecutionPhase::kFailed) return std::nullopt;
  if (!error->code.starts_with("TooMany") && error->code != "QueueFull") return std::nullopt;
  return CallError{429, error->code, error->message, ""};
}

api::Json ProgressOf(const api::Execution& execution) {
  const api::ExecutionStatus& status = execution.status;
  const auto phase = status.phase.value_or(api::ExecutionPhase::kPending);
  api::Json progress;
  progress["execution"] = execution.meta.name;
  progress["sandbox_id"] = execution.spec.sandbox_name;
  progress["phase"] = api::PhaseName(phase);
  progress["message"] = Waiting(phase);
  if (phase == api::ExecutionPhase::kAwaitingApproval && !status.approval_name.empty()) {
    progress["approval"] = status.approval_name;
  }
  return progress;
}

api::Json SandboxNotFound(api::Execution asked) {
  asked.status.phase = api::ExecutionPhase::kFailed;
  asked.status.error = api::ExecutionError{"SandboxNotFound", ""};
  api::Json result = ResultOf(asked);
  result.erase("execution");
  return result;
}

api::Json DestroyResult(const std::string& sandbox_id, bool destroyed) {
  return {{"success", destroyed},
          {"sandbox_id", sandbox_id},
          {"error", destroyed ? api::Json() : api::Json(kSandboxNotFound)}};
}

}  // namespace sandgate::gateway
