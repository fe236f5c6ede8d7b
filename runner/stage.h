// `sandgate-runner run-stage`: a small, single-threaded process beside the runner that makes the
// namespaces of every run. What goes on between clone and exec is so ordinary code, and since it is
// a fresh program, started before any run, no memory of the runner (its key, other results) is ever
// copied into a run's namespaces.
#pragma once

#include <array>

#include "libs/base/status.h"
#include "runner/run_spec.h"

namespace sandgate::runner {

// One run, as it travels over the stage's socket.
struct StageMessage {
  StageMessage() { descriptors.fill(-1); }
  size_t count() const { return descriptors[kNetworkFd] < 0 ? kNetworkFd : kMaxRunDescriptors; }

  std::array<int, kMaxRunDescriptors>
      descriptors;  // in the order of RunFd; -1: kNetworkFd is absent
};

// Sends one run to the stage; kUnavailable if there is no stage any more.
base::Status SendToStage(int socket, const StageMessage& message);

// The whole life of the stage: for every message it clones an init, the runner's own child, tells
// the runner its pid over the run's status pipe, and forgets about it. Ends, with all it made, when
// the runner is gone. Returns the exit code.
int StageMain();

}  // namespace sandgate::runner
