#include "runner/stage.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runner/descriptors.h"
#include "runner/run_init.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

// The stage's own descriptors.
constexpr int kSocketFd = 0;
constexpr int kFilterFd = 3;
constexpr unsigned kFirstForeignFd = 4;

constexpr unsigned long kNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET;

// False when the runner is gone.
bool Receive(StageMessage* message) {
  std::vector<base::Fd> received = ReceiveDescriptors(kSocketFd, kMaxRunDescriptors);
  // Without network, and with.
  if (received.size() != kNetworkFd && received.size() != kMaxRunDescriptors) return false;
  *message = StageMessage();
  for (size_t i = 0; i < received.size(); ++i) message->descriptors[i] = received[i].Release();
  return true;
}

// Puts the run's descriptors where the init expects them, and closes whatever else is open.
bool Arrange(const StageMessage& message) {
  const int count = static_cast<int>(message.count());
  std::array<int, kMaxRunDescriptors> above;
  for (int i = 0; i < count; ++i) {
    above[i] = fcntl(message.descriptors[i], F_DUPFD, 16);
    if (above[i] < 0) return false;
  }
  for (int i = 0; i < count; ++i) {
    if (dup2(above[i], i) != i) return false;
    // The code gets its two streams and nothing else.
    if (i != kStdoutFd && i != kStderrFd && fcntl(i, F_SETFD, FD_CLOEXEC) != 0) return false;
  }
  return syscall(SYS_close_range, static_cast<unsigned>(count), ~0U, 0) == 0;
}

[[noreturn]] void BecomeInit(const StageMessage& message, const std::string& filter, uid_t uid,
                             gid_t gid) {
  if (!Arrange(message)) _exit(Refuse(message.descriptors[kStatusFd], "arrange descriptors"));
  // Read here and not in the stage, whose memory is copied into the runs that come later.
  const std::optional<std::string> text = ReadWhole(kSpecFd);
  if (!text) _exit(Refuse(kStatusFd, "read the run's spec"));
  const std::optional<RunSpec> spec = Decode(*text);
  if (!spec) _exit(Refuse(kStatusFd, "decode the run's spec"));
  RunInit(*spec, filter, uid, gid);
}

void Start(const StageMessage& message, const std::string& filter, uid_t uid, gid_t gid) {
  // As fork(2): no new stack. CLONE_PARENT makes the init the runner's child, which therefore can
  // wait for it, and whose kill never meets a reused pid.
  const long pid =
      syscall(SYS_clone, kNamespaces | CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) BecomeInit(message, filter, uid, gid);
  const int status = message.descriptors[kStatusFd];
  if (pid < 0) {
    Refuse(status, "make the run's namespaces");
  } else {
    StatusRecord record;
    record.kind = StatusKind::kInit;
    record.value = static_cast<int32_t>(pid);
    Send(status, record);
  }
  for (const int fd : message.descriptors) {
    if (fd >= 0) close(fd);
  }
}

}  // namespace

base::Status SendToStage(int socket, const StageMessage& message) {
  if (SendDescriptors(socket, std::span(message.descriptors).first(message.count()))) {
    return base::Status::Ok();
  }
  return base::Status(base::Code::kUnavailable,
                      std::string("the stage is gone: ") + std::strerror(errno));
}

int StageMain() {
  // What other threads of the runner had open at the moment of the spawn ends here.
  if (syscall(SYS_close_range, kFirstForeignFd, ~0U, 0) != 0) return 1;
  const std::optional<std::string> filter = ReadWhole(kFilterFd);
  if (!filter || filter->empty()) return 1;
  close(kFilterFd);
  const uid_t uid = getuid();
  const gid_t gid = getgid();
  StageMessage message;
  while (Receive(&message)) Start(message, *filter, uid, gid);
  return 0;
}

}  // namespace sandgate::runner
