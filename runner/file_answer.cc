#include "runner/file_answer.h"

#include <utility>

namespace sandgate::runner {
namespace {

constexpr char kAnswerId[] = "file";  // a RunState has one

base::Result<api::RunState> Decode(const api::RunState& state) {
  if (state.exit_code != 0 || state.out_truncated || state.err_truncated) {
    return base::Status(base::Code::kInternal, "it ended before it had answered");
  }
  const auto json = api::ParseJson(state.err);
  if (!json.ok()) return json.status();
  auto answer = api::RunStateFromJson(*json, 0);
  if (answer.ok() && !answer->finished) {
    return base::Status(base::Code::kInternal, "its answer says that it goes on");
  }
  return answer;
}

}  // namespace

std::string EncodeFileAnswer(api::RunState state) {
  state.out.clear();
  state.run_id = kAnswerId;
  return api::DumpJson(api::ToJson(state));
}

void TakeFileAnswer(api::RunState* state) {
  const auto answer = Decode(*state);
  std::string content = std::exchange(state->out, {});
  state->err.clear();
  state->out_truncated = state->err_truncated = false;
  if (state->outcome != api::RunOutcome::kExited) return;
  state->exit_code = 0;
  if (!answer.ok()) {
    state->error_code = api::FileErrorName(api::FileErrorCode::kFileOperationFailed);
    state->error_message = "The file operation failed: " + answer.status().message();
    return;
  }
  state->error_code = answer->error_code;
  state->error_message = answer->error_message;
  state->files = answer->files;
  state->files_truncated = answer->files_truncated;
  state->files_cursor = answer->files_cursor;
  state->packages = answer->packages;
  if (state->error_code.empty()) state->out = std::move(content);
}

}  // namespace sandgate::runner
