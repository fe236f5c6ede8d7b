#include "runner/run_child.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <vector>

#include "runner/run_environment.h"
#include "runner/run_privileges.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

bool Limit(__rlimit_resource resource, int64_t value) {
  rlimit limit = {};
  limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(value);
  return setrlimit(resource, &limit) == 0;
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

// What the child needs and, where it fails, what it says. It shares the init's memory until the
// exec.
struct Child {
  const RunSpec& spec;
  const std::string& filter;
  const sigset_t& mask;
  std::vector<char*> argv, environment;
  std::string path;  // of the interpreter
  const char* failed_step = nullptr;
  int error = 0;
};

// Returns the step that failed, with errno; does not return when all went well.
const char* Become(const Child& child) {
  if (setsid() < 0) return "start a session";
  if (chdir(kWorkspacePath) != 0) return "enter the workspace";
  if (!SetStdin(child.spec)) return "open the code";
  if (!SetLimits(child.spec)) return "set the resource limits";
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_SETMASK, &child.mask, nullptr);
  if (const char* step = DropEverything(child.filter)) return step;
  execve(child.path.c_str(), child.argv.data(), child.environment.data());
  return "start the interpreter";
}

int ChildMain(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  child.failed_step = Become(child);
  child.error = errno;
  _exit(127);
}

// The interpreter among the image's programs, in the run's own root. "" with errno if there is
// none.
std::string FindProgram(const std::string& name) {
  std::istringstream directories(kImagePath);
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::string path = directory + "/" + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  errno = ENOENT;
  return "";
}

}  // namespace

bool SetLimits(const RunSpec& spec) {
  return Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_NPROC, spec.processes) &&
         Limit(RLIMIT_NOFILE, spec.open_files) && Limit(RLIMIT_FSIZE, spec.file_bytes) &&
         (spec.address_space_bytes == 0 || Limit(RLIMIT_AS, spec.address_space_bytes));
}

pid_t StartCode(const RunSpec& spec, const std::string& filter, const sigset_t& mask) {
  std::vector<std::string> environment = RunEnvironment(spec.packages);
  environment.insert(environment.end(), spec.environment.begin(), spec.environment.end());
  Child child{
      spec, filter, mask, Pointers(spec.argv), Pointers(environment), FindProgram(spec.argv[0])};
  if (child.path.empty()) {
    Refuse(kStatusFd, ("find " + spec.argv[0] + " in the image").c_str());
    return -1;
  }
  // As vfork(2), with a stack of its own: a copy of the address space, which the exec would throw
  // away at once, is the most expensive thing there is under gVisor. This process goes on only
  // after the exec, or after the child's end, so what the child wrote is there to be read.
  constexpr size_t kStackBytes = 128 * 1024;
  alignas(16) static char stack[kStackBytes];
  const pid_t pid = clone(ChildMain, stack + kStackBytes, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  if (pid < 0) {
    Refuse(kStatusFd, "start a process");
    return -1;
  }
  if (child.failed_step == nullptr) return pid;
  errno = child.error;
  Refuse(kStatusFd, child.failed_step);
  return -1;
}

}  // namespace sandgate::runner
