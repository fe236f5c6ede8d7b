#include "operator/file_logic.h"

#include <utility>

#include "libs/api/workspace_path.h"

namespace sandgate::op {

std::optional<api::FileError> WhyNoFileOperation(const api::ExecutionSpec& spec) {
  if (!api::IsFileOperation(spec.operation)) return std::nullopt;
  const bool list = spec.operation == api::Operation::kListFiles;
  if (list && !spec.cursor.empty() && !api::ReadListCursor(spec.cursor)) {
    return api::FileError{api::FileErrorCode::kInvalidCursor,
                          "The cursor is not one that a listing gave."};
  }
  api::WorkspacePath parsed;
  const bool whole_workspace = list && spec.path.empty();
  if (auto error = api::ParseWorkspacePath(whole_workspace ? "." : spec.path, &parsed)) {
    return error;
  }
  const bool write = spec.operation == api::Operation::kWriteFile;
  if (write && (parsed.must_be_directory || parsed.components.empty())) {
    return api::FileError{api::FileErrorCode::kIsADirectory,
                          api::QuotePath(spec.path) + " is a directory."};
  }
  return std::nullopt;
}

api::ExecutionPhase TakeFileResult(const api::RunState& state, api::ExecutionStatus* status) {
  status->exit_code.reset();
  if (!state.error_code.empty()) {
    status->error = {state.error_code, state.error_message};
    return api::ExecutionPhase::kFailed;
  }
  status->files = state.files;
  status->files_truncated = state.files_truncated;
  status->files_cursor = state.files_cursor;
  return api::ExecutionPhase::kSucceeded;
}

FileText TextOf(const std::string& bytes, const std::string& wanted) {
  if (wanted != "base64") {
    bool replaced = false;
    std::string text = api::ToUtf8(bytes, &replaced);
    if (!replaced) return {std::move(text), "text"};
  }
  return {api::Base64Encode(bytes), "base64"};
}

}  // namespace sandgate::op
