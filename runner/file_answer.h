// A file operation's result on its way from the run's namespaces to the runner: the file that was
// read goes over stdout as it is, all else over stderr.
#pragma once

#include <cstdint>
#include <string>

#include "libs/api/runner_protocol.h"

namespace sandgate::runner {

// Most that the second stream may take: a page of a listing is a quarter of it.
inline constexpr int64_t kMaxFileAnswerBytes = 2 * 1024 * 1024;

// What goes over the second stream: `state` without its `out`.
std::string EncodeFileAnswer(api::RunState state);

// Makes the state of a finished run, its two streams as they were read, into the operation's
// result. What came is checked as if code had written it: whatever is no answer is a
// FileOperationFailed. A run that did not end by itself keeps its outcome and has no streams.
void TakeFileAnswer(api::RunState* state);

}  // namespace sandgate::runner
