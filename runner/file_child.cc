#include "runner/file_child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libs/base/fd.h"
#include "runner/file_answer.h"
#include "runner/run_child.h"
#include "runner/run_privileges.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

constexpr mode_t kUmask = 022;

// Returns the step that failed, with errno; nullptr when nothing but the workspace is left to it.
const char* Confine(const RunSpec& spec, const std::string& filter, const sigset_t& mask) {
  if (setsid() < 0) return "start a session";
  umask(kUmask);
  if (!SetLimits(spec)) return "set the resource limits";
  signal(SIGCHLD, SIG_DFL);
  signal(SIGXFSZ, SIG_IGN);  // an error of the write says it better
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  return DropEverything(filter);
}

[[noreturn]] void Work(const RunSpec& spec, const std::string& filter, const sigset_t& mask) {
  if (const char* step = Confine(spec, filter, mask)) _exit(Refuse(kStatusFd, step));
  const base::Fd workspace(open(kWorkspacePath, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!workspace.valid()) _exit(Refuse(kStatusFd, "open the workspace"));
  close(kSpecFd);
  close(kStatusFd);
  close(kControlFd);
  const api::RunState state = RunFileOperation(workspace.get(), *spec.file);
  const bool told =
      WriteWhole(kStdoutFd, state.out) && WriteWhole(kStderrFd, EncodeFileAnswer(state));
  _exit(told ? 0 : 1);
}

}  // namespace

pid_t StartFileOperation(const RunSpec& spec, const std::string& filter, const sigset_t& mask) {
  const pid_t pid = fork();
  if (pid == 0) Work(spec, filter, mask);
  if (pid < 0) Refuse(kStatusFd, "start a process");
  return pid;
}

}  // namespace sandgate::runner
