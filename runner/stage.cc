#include "runner/stage.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>

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

// One control message with a run's descriptors, for both directions.
struct Envelope {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxRunDescriptors * sizeof(int))] = {};
  msghdr header = {};

  Envelope() {
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
};

// False when the runner is gone.
bool Receive(StageMessage* message) {
  Envelope envelope;
  ssize_t got = 0;
  do {
    got = recvmsg(kSocketFd, &envelope.header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* control = CMSG_FIRSTHDR(&envelope.header);
  if (got != 1 || control == nullptr) return false;
  *message = StageMessage();
  // Without network, and with.
  for (const size_t count : {size_t{kNetworkFd}, size_t{kMaxRunDescriptors}}) {
    if (control->cmsg_len != CMSG_LEN(count * sizeof(int))) continue;
    std::memcpy(message->descriptors.data(), CMSG_DATA(control), count * sizeof(int));
    return true;
  }
  return false;
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
  Envelope envelope;
  cmsghdr* control = CMSG_FIRSTHDR(&envelope.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  const size_t bytes = message.count() * sizeof(int);
  envelope.header.msg_controllen = CMSG_SPACE(bytes);
  control->cmsg_len = CMSG_LEN(bytes);
  std::memcpy(CMSG_DATA(control), message.descriptors.data(), bytes);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &envelope.header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent == 1) return base::Status::Ok();
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
