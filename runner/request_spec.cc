#include "runner/request_spec.h"

#include <unistd.h>

#include <climits>

#include "runner/network_files.h"
#include "runner/network_logic.h"

namespace sandgate::runner {
namespace {

// How long the record of an install may be read: well within what the operator waits beyond the
// install's own deadline.
constexpr int64_t kRecordMillis = 10'000;

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

FileRequest FileOf(const api::RunRequest& request) {
  FileRequest file;
  file.operation = request.operation;
  file.path = request.path;
  file.content = request.content;
  file.append = request.append;
  file.mode = request.mode;
  file.max_bytes = request.output_bytes;
  file.limit = request.limit;
  file.cursor = request.cursor;
  return file;
}

}  // namespace

RunSpec SpecOf(const api::RunRequest& request, const SandboxSpec& sandbox) {
  const auto memory = request.memory_bytes, disk = sandbox.disk_bytes;
  RunSpec spec;
  if (api::IsFileOperation(request.operation)) {
    spec = SpecFor(FileOf(request), memory, disk, sandbox.workspace);
  } else if (request.install) {
    spec = SpecFor(*request.install, memory, disk, sandbox.workspace);
  } else {
    spec = SpecFor(request.language, request.code, memory, disk, sandbox.workspace);
  }
  if (sandbox.packages && !request.install) spec.packages = PackagesView::kReadOnly;
  if (request.network) {
    AddNetwork(*request.network, HostName(), ImageAuthoritiesPath() != nullptr, &spec);
  }
  return spec;
}

RunSpec RecordSpecOf(const api::RunRequest& install, const SandboxSpec& sandbox) {
  FileRequest file;
  file.operation = install.operation;
  file.installer = install.install->installer;
  RunSpec spec = SpecFor(file, install.memory_bytes, sandbox.disk_bytes, sandbox.workspace);
  spec.packages = PackagesView::kAlone;
  return spec;
}

api::RunRequest RecordRequestOf(const api::RunRequest& install) {
  api::RunRequest request = install;
  request.timeout_millis = kRecordMillis;
  request.network.reset();
  return request;
}

void AddRecord(const api::RunState& record, int64_t output_bytes, api::RunState* state) {
  if (record.outcome == api::RunOutcome::kCancelled) state->outcome = record.outcome;
  if (record.outcome != api::RunOutcome::kExited) {
    state->error_code = api::FileErrorName(api::FileErrorCode::kFileOperationFailed);
    state->error_message = "reading it did not end well: " + record.error_message;
    return;
  }
  state->error_code = record.error_code;
  if (!record.error_code.empty()) {
    state->error_message = record.error_message;
    return;
  }
  state->packages = record.packages;
  if (record.error_message.empty()) return;
  const std::string note = record.error_message + "\n";
  if (state->err_truncated || state->err.size() + note.size() > static_cast<size_t>(output_bytes)) {
    return;
  }
  state->err += note;
}

}  // namespace sandgate::runner
