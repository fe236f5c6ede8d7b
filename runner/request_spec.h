// What a request means for the engine: the run's spec, and for an install the second one.
#pragma once

#include <cstdint>
#include <string>

#include "libs/api/runner_protocol.h"
#include "runner/run_spec.h"

namespace sandgate::runner {

// The sandbox that all of its runs share.
struct SandboxSpec {
  std::string workspace;
  int64_t disk_bytes = 0;
  bool packages = false;  // its packages' place is made
};

// Of any operation; an install has request.install.
RunSpec SpecOf(const api::RunRequest& request, const SandboxSpec& sandbox);

// The run that reads what an install installed, and the limits it has instead of the install's.
RunSpec RecordSpecOf(const api::RunRequest& install, const SandboxSpec& sandbox);
api::RunRequest RecordRequestOf(const api::RunRequest& install);

// Makes what that run came to a part of the install's own result: its packages, or why they are not
// known. Pure.
void AddRecord(const api::RunState& record, int64_t output_bytes, api::RunState* state);

}  // namespace sandgate::runner
