// Starts the stage of a run, and holds the runner's ends of its pipes.
#pragma once

#include <sys/types.h>

#include <string>

#include "libs/base/status.h"
#include "runner/fd.h"
#include "runner/run_spec.h"

namespace sandgate::runner {

// A run as the runner holds it. All descriptors are non-blocking and close on exec.
struct RunProcess {
  pid_t stage = -1;  // to be waited for
  Fd out, err;       // what the code writes
  Fd status;         // StatusRecords; its end means that the init is gone, or never came
  Fd control;
};

// Thread-safe: it only reads what it was made with.
class Spawner {
 public:
  // `program` has the subcommand run-stage; the runner itself is /proc/self/exe.
  static base::Result<Spawner> Create(std::string program = "/proc/self/exe");

  base::Result<RunProcess> Spawn(const RunSpec& spec) const;

 private:
  Spawner(std::string program, Fd filter)
      : program_(std::move(program)), filter_(std::move(filter)) {}

  std::string program_;
  Fd filter_;  // memfd with the seccomp program
};

}  // namespace sandgate::runner
