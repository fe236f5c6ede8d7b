#include "runner/child_wait.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "libs/base/clock.h"
#include "runner/process_list.h"

namespace sandgate::runner {
namespace {

// Signals of several children fall together, and the death of one that is not ours sends none.
constexpr std::chrono::milliseconds kLookAgain{20};

template <typename Done>
bool WaitFor(Done done, std::chrono::milliseconds limit) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  const base::MonotonicTime deadline = base::RealClock().MonotonicNow() + limit;
  while (!done()) {
    if (base::RealClock().MonotonicNow() >= deadline) return false;
    const timespec pause = {0, std::chrono::nanoseconds(kLookAgain).count()};
    sigtimedwait(&child, nullptr, &pause);
  }
  return true;
}

}  // namespace

bool WaitForChild(pid_t pid, std::chrono::milliseconds limit) {
  return WaitFor(
      [pid] {
        const pid_t got = waitpid(pid, nullptr, WNOHANG);
        return got == pid || (got < 0 && errno == ECHILD);
      },
      limit);
}

bool WaitUntilAlone(pid_t helper, std::chrono::milliseconds limit) {
  if (getpid() != 1) return true;
  return WaitFor(
      [helper] {
        // Children of children too; not what kubelet started beside us, whose parent is none here.
        const std::vector<ProcessInfo> processes = Tree(ListProcesses(), 1);
        for (const ProcessInfo& process : processes) {
          if (process.pid == 1 || process.pid == helper) continue;
          waitpid(process.pid, nullptr, WNOHANG);  // an orphan that came to us
          return false;
        }
        return true;
      },
      limit);
}

}  // namespace sandgate::runner
