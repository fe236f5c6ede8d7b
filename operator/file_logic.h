// What is particular to WriteFile, ReadFile and ListFiles. Pure.
#pragma once

#include <optional>
#include <string>

#include "libs/api/execution.h"
#include "libs/api/runner_protocol.h"

namespace sandgate::op {

// What can be said against a file operation before anybody is asked about it: its path as text, its
// cursor. nullopt: nothing, or it is another operation.
std::optional<api::FileError> WhyNoFileOperation(const api::ExecutionSpec& spec);

// Fills the result of a file operation that ran to its end (its bytes excepted, which are stored
// apart) into `status`; there is no exit code. Returns the phase.
api::ExecutionPhase TakeFileResult(const api::RunState& state, api::ExecutionStatus* status);

// How the bytes of a file stand in a text: themselves where they are UTF-8 and nobody asked for
// base64 (`wanted`, of the spec), else their base64. `encoding` is "text" or "base64".
struct FileText {
  std::string text;
  const char* encoding;
};
FileText TextOf(const std::string& bytes, const std::string& wanted);

}  // namespace sandgate::op
