// Runs one run, from its spawn until its last process is gone.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "libs/api/runner_protocol.h"
#include "libs/base/fd.h"
#include "runner/identity.h"
#include "runner/memory_probe.h"
#include "runner/request_spec.h"
#include "runner/spawner.h"

namespace sandgate::runner {

struct SupervisorOptions {
  std::string workspace;
  int64_t disk_bytes = 0;
  RunnerIdentity identity =
      {};  // shown to the egress proxy; without one, runs with network are refused
};

// One thread calls Run, which blocks; any thread calls Cancel. SIGCHLD must be blocked in every
// thread of the process.
class RunSupervisor {
 public:
  static base::Result<std::unique_ptr<RunSupervisor>> Create(SupervisorOptions options,
                                                             Spawner spawner);

  // The state is finished; run_id is the caller's to set. A failure (never one that code can
  // cause) means that the processes of the run could not be shown to be gone: nothing may be
  // started after it.
  base::Result<api::RunState> Run(const api::RunRequest& request);

  // Ends the present run, or the next one if none runs and ForgetCancel is not called.
  void Cancel();
  void ForgetCancel() { cancel_ = false; }

 private:
  RunSupervisor(SupervisorOptions options, Spawner spawner, base::Fd wake);

  base::Result<api::RunState> Install(const api::RunRequest& request);
  base::Result<api::RunState> RunOnce(const RunSpec& spec, const api::RunRequest& request);
  SandboxSpec Sandbox() const { return {options_.workspace, options_.disk_bytes, packages_made_}; }

  SupervisorOptions options_;
  Spawner spawner_;
  std::unique_ptr<MemoryProbe> probe_;
  base::Fd wake_;               // eventfd
  bool packages_made_ = false;  // kPackagesPath is ours, and no code may write there
  std::atomic<bool> cancel_ = false;
};

}  // namespace sandgate::runner
