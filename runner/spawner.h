// Starts runs through the stage, and holds the runner's ends of their pipes.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "libs/base/fd.h"
#include "libs/base/status.h"
#include "runner/run_spec.h"

namespace sandgate::runner {

// A run as the runner holds it. All descriptors are non-blocking and close on exec.
struct RunProcess {
  base::Fd out, err;  // what the code writes
  base::Fd status;    // StatusRecords; its end means that the init is gone, or never came
  base::Fd control;
  base::Fd network;  // of a run with network: what OfferListeners speaks to
};

// Holds the stage, which lives as long as it. One thread at a time may spawn.
class Spawner {
 public:
  // `program` has the subcommand run-stage; the runner itself is /proc/self/exe.
  static base::Result<Spawner> Create(std::string program = "/proc/self/exe");
  Spawner(Spawner&&) = default;
  ~Spawner();  // waits for the stage's end

  // kUnavailable: the stage is gone, and nothing will ever be started again.
  base::Result<RunProcess> Spawn(const RunSpec& spec) const;

  pid_t stage() const { return stage_.pid; }

 private:
  // A pid that moves.
  struct Stage {
    explicit Stage(pid_t p) : pid(p) {}
    Stage(Stage&& other) noexcept : pid(std::exchange(other.pid, -1)) {}
    pid_t pid;
  };

  Spawner(pid_t stage, base::Fd socket) : stage_(stage), socket_(std::move(socket)) {}

  Stage stage_;
  base::Fd socket_;
};

}  // namespace sandgate::runner
