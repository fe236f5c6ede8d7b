#include "runner/run_child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "runner/run_privileges.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

struct ChildFailure {
  int error = 0;
  char step[64] = {};
};

bool Limit(__rlimit_resource resource, int64_t value) {
  rlimit limit = {};
  limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(value);
  return setrlimit(resource, &limit) == 0;
}

bool SetLimits(const RunSpec& spec) {
  return Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_NPROC, spec.processes) &&
         Limit(RLIMIT_NOFILE, spec.open_files) && Limit(RLIMIT_FSIZE, spec.file_bytes) &&
         (spec.address_space_bytes == 0 || Limit(RLIMIT_AS, spec.address_space_bytes));
}

bool SetStdin(const RunSpec& spec) {
  const char* path = spec.code_on_stdin ? spec.code_path.c_str() : "/dev/null";
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return false;
  if (fd == STDIN_FILENO) return true;
  const bool ok = dup2(fd, STDIN_FILENO) == STDIN_FILENO;
  close(fd);
  return ok;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Returns the step that failed, with errno; does not return when all went well.
const char* Become(const RunSpec& spec, const std::string& filter, const sigset_t& mask) {
  const std::vector<char*> argv = Pointers(spec.argv);
  // Before the exec, since the interpreter is looked up in the run's own PATH.
  if (clearenv() != 0) return "clear the environment";
  for (const std::string& variable : RunEnvironment()) {
    if (putenv(const_cast<char*>(variable.c_str())) != 0) return "make the environment";
  }
  if (setsid() < 0) return "start a session";
  if (chdir(kWorkspacePath) != 0) return "enter the workspace";
  if (!SetStdin(spec)) return "open the code";
  if (!SetLimits(spec)) return "set the resource limits";
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (const char* step = DropEverything(filter)) return step;
  execvp(argv[0], argv.data());
  return "start the interpreter";
}

}  // namespace

pid_t StartCode(const RunSpec& spec, const std::string& filter, const sigset_t& mask) {
  // Closed by exec without a word, so the end of the pipe means that the interpreter runs.
  int failure_pipe[2];
  if (pipe2(failure_pipe, O_CLOEXEC) != 0) {
    Refuse("make a pipe");
    return -1;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    ChildFailure failure;
    const char* step = Become(spec, filter, mask);
    failure.error = errno;
    std::strncpy(failure.step, step, sizeof failure.step - 1);
    // Nothing is to be done where even this fails: the init sees the exit.
    _exit(write(failure_pipe[1], &failure, sizeof failure) == sizeof failure ? 127 : 126);
  }
  close(failure_pipe[1]);
  ChildFailure failure;
  ssize_t got = -1;
  if (pid > 0) {
    do {
      got = read(failure_pipe[0], &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
  }
  close(failure_pipe[0]);
  if (pid > 0 && got == 0) return pid;
  if (got == static_cast<ssize_t>(sizeof failure)) {
    errno = failure.error;
    Refuse(failure.step);
  } else {
    Refuse("start a process");
  }
  return -1;
}

}  // namespace sandgate::runner
