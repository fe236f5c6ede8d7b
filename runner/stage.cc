#include "runner/stage.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>

#include "runner/run_init.h"
#include "runner/run_spec.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

constexpr unsigned long kNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET;

}  // namespace

int StageMain() {
  // What other threads of the runner had open at the moment of the spawn ends here.
  if (syscall(SYS_close_range, kFirstForeignFd, ~0U, 0) != 0) return Refuse("close_range");
  for (int fd = kSpecFd; fd < kFirstForeignFd; ++fd) {
    if (fd == kStdoutFd || fd == kStderrFd) continue;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return Refuse("descriptors");
  }
  const std::optional<std::string> text = ReadWhole(kSpecFd);
  if (!text) return Refuse("read the run's spec");
  const std::optional<RunSpec> spec = Decode(*text);
  if (!spec) return Refuse("decode the run's spec");
  const std::optional<std::string> filter = ReadWhole(kFilterFd);
  if (!filter || filter->empty()) return Refuse("read the system call filter");

  const uid_t uid = getuid();
  const gid_t gid = getgid();
  // As fork(2): no new stack. CLONE_PARENT makes the init the runner's child, which therefore can
  // wait for it, and whose kill never meets a reused pid.
  const long pid =
      syscall(SYS_clone, kNamespaces | CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid < 0) return Refuse("make the run's namespaces");
  if (pid == 0) RunInit(*spec, *filter, uid, gid);
  StatusRecord record;
  record.kind = StatusKind::kInit;
  record.value = static_cast<int32_t>(pid);
  return Send(record) ? 0 : 1;
}

}  // namespace sandgate::runner
