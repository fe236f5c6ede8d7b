// When a run is asked to end, when it is killed, and what its outcome is. Pure: no clock, no I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "libs/api/runner_protocol.h"
#include "libs/base/clock.h"

namespace sandgate::runner {

// What the supervisor has to do to the run now.
enum class Command {
  kNothing,
  kTerminate,  // SIGTERM to every process of the run
  kKill,       // SIGKILL to the init of its namespace, which takes all of them
};

// How the run's first process ended, as waitpid(2) said it; or that it could not be started.
struct Ending {
  bool refused = false;
  int wait_status = 0;
  std::string message;  // why it was refused
};

struct Verdict {
  api::RunOutcome outcome = api::RunOutcome::kExited;
  int64_t exit_code = 0;
  std::string message;
};

// The life of one run from its start. The first reason to end it wins: a run that was cancelled a
// moment before its deadline is cancelled. Not thread-safe.
class Supervision {
 public:
  Supervision(base::MonotonicTime start, std::chrono::milliseconds timeout,
              std::chrono::milliseconds grace);

  // The latest moment at which Step must be called again; none once the run was killed.
  std::optional<base::MonotonicTime> NextDeadline() const;

  // Each command is given once.
  Command Step(base::MonotonicTime now);

  // SIGTERM at once, SIGKILL after the grace.
  void Cancel(base::MonotonicTime now);
  // SIGKILL at once: every millisecond of grace is memory the whole sandbox may not have.
  void EndForMemory(std::string message);

  // What the run's end means, once it has ended. `ending` is absent when the init died without a
  // word, which only a kill explains.
  Verdict Conclude(const std::optional<Ending>& ending) const;

 private:
  enum class State { kRunning, kTerminating, kKilled };
  enum class Reason { kNone, kTimeout, kCancel, kMemory };

  base::MonotonicTime deadline_;  // of the present state
  std::chrono::milliseconds grace_;
  State state_ = State::kRunning;
  Reason reason_ = Reason::kNone;
  bool terminate_due_ = false;
  bool kill_due_ = false;
  std::string message_;
};

}  // namespace sandgate::runner
