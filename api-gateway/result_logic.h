// An Execution as the seed's result object. Pure.
#pragma once

#include <optional>
#include <string>

#include "api-gateway/call_error.h"
#include "libs/api/execution.h"
#include "libs/api/json.h"

namespace sandgate::gateway {

// The whole of a stream that did not fit into the status; nullopt where it could not be had.
struct WholeOutputs {
  std::optional<std::string> out, err;
};

// Of a terminal Execution, in the shape of its own tool; every tool: success, sandbox_id, error,
// execution (the object's name). Beside them:
//   code_execute          stdout, stderr, exit_code (null when nothing ran), execution_time
//   code_install_package  package, registry, stdout, stderr
//   code_write_file       file_path
//   code_read_file        file_path, content, encoding ("text", or "base64" of the exact bytes)
//   code_list_files       path, files (names), entries (name, type, size, mtime), and where there
//                         are more: truncated, next_cursor
// and, only when true, stdout_truncated, stderr_truncated, stdout_replaced, stderr_replaced.
// `error` is null, one of the seed's texts, or "Code: message".
api::Json ResultOf(const api::Execution& execution, const WholeOutputs& whole = {});

// A limit that the operator enforces is no result of the tool: 429. nullopt for anything else.
std::optional<CallError> LimitError(const api::Execution& execution);

// Of one that is not terminal: execution, sandbox_id, phase, message and, while a human is asked,
// approval. For 202.
api::Json ProgressOf(const api::Execution& execution);

// {success: false, sandbox_id, ..., error: "Sandbox not found"} for a call that was never made.
api::Json SandboxNotFound(api::Execution asked);
api::Json DestroyResult(const std::string& sandbox_id, bool destroyed);

}  // namespace sandgate::gateway
