#include "runner/run_init.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "runner/file_child.h"
#include "runner/listeners.h"
#include "runner/run_child.h"
#include "runner/run_privileges.h"
#include "runner/run_root.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

bool WriteFile(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return ok;
}

bool MapIds(uid_t uid, gid_t gid) {
  const auto line = [](unsigned id) {
    return std::to_string(id) + " " + std::to_string(id) + " 1\n";
  };
  // Linux wants setgroups denied before an unprivileged gid map; a kernel without the file has no
  // such rule.
  if (!WriteFile("/proc/self/setgroups", "deny") && errno != ENOENT) return false;
  return WriteFile("/proc/self/uid_map", line(uid)) && WriteFile("/proc/self/gid_map", line(gid));
}

// Programs expect 127.0.0.1; it is all the network there is.
bool RaiseLoopback() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  ifreq request = {};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  bool up = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  if (up && (request.ifr_flags & IFF_UP) == 0) {
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    up = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  }
  close(fd);
  return up;
}

void OnChild(int /*signal*/) {}

// SIGCHLD arrives only inside ppoll, so none is lost between a look and a wait.
void BlockChildSignal(sigset_t* inside_poll) {
  struct sigaction action = {};
  action.sa_handler = OnChild;
  sigaction(SIGCHLD, &action, nullptr);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, inside_poll);
}

// Reaps whatever ended. True with its wait status when the code's first process was among them.
bool Reap(pid_t code, int* wait_status) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return false;
    if (pid == code) {
      *wait_status = status;
      return true;
    }
  }
}

// One command of the runner. False when there will be no more: the runner is gone.
bool Obey() {
  char byte = 0;
  const ssize_t got = read(kControlFd, &byte, 1);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  if (byte == kTerminateByte) {
    kill(-1, SIGTERM);
    kill(-1, SIGCONT);  // a stopped process would never see the other
  }
  return true;
}

[[noreturn]] void Serve(pid_t code, const sigset_t& inside_poll) {
  for (;;) {
    pollfd control = {kControlFd, POLLIN, 0};
    const int ready = ppoll(&control, 1, nullptr, &inside_poll);
    if (ready > 0 && !Obey()) _exit(1);
    StatusRecord record;
    record.kind = StatusKind::kExited;
    if (!Reap(code, &record.value)) continue;
    Send(kStatusFd, record);
    _exit(0);
  }
}

}  // namespace

void RunInit(const RunSpec& spec, const std::string& filter, uid_t uid, gid_t gid) {
  if (!MapIds(uid, gid)) _exit(Refuse(kStatusFd, "map the run's user"));
  // Nobody of the same uid may look into this process.
  if (prctl(PR_SET_DUMPABLE, 0) != 0) _exit(Refuse(kStatusFd, "make the init undumpable"));
  if (setsid() < 0 && errno != EPERM) _exit(Refuse(kStatusFd, "start a session"));
  if (!RaiseLoopback()) _exit(Refuse(kStatusFd, "raise the loopback interface"));
  if (spec.network) {
    // Both ends are gone again before there is anything else in these namespaces.
    if (const char* step = OfferListeners(kNetworkFd)) _exit(Refuse(kStatusFd, step));
    close(kNetworkFd);
  }
  if (const char* step = BuildRoot(spec)) _exit(Refuse(kStatusFd, step));

  if (const char* step = ReduceInit()) _exit(Refuse(kStatusFd, step));

  sigset_t inside_poll;
  BlockChildSignal(&inside_poll);
  const pid_t code = spec.file ? StartFileOperation(spec, filter, inside_poll)
                               : StartCode(spec, filter, inside_poll);
  if (code < 0) _exit(1);  // told already
  close(kStdoutFd);
  close(kStderrFd);
  StatusRecord record;
  record.kind = StatusKind::kStarted;
  Send(kStatusFd, record);
  Serve(code, inside_poll);
}

}  // namespace sandgate::runner
