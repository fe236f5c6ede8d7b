#include "runner/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runner/network_logic.h"

namespace sandgate::runner {
namespace {

constexpr size_t kListeners = 2;
// Connections that have not been accepted yet: what a run may have open at all.
constexpr int kBacklog = 1024;

sockaddr_in Door(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// No SO_REUSEPORT: nobody else can listen there afterwards.
Fd Listen(uint16_t port) {
  const sockaddr_in address = Door(port);
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fd;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    fd.Reset();
    errno = error;
  }
  return fd;
}

bool ListensAt(const Fd& fd, uint16_t port) {
  const sockaddr_in wanted = Door(port);
  sockaddr_in bound = {};
  socklen_t size = sizeof bound;
  int listens = 0;
  socklen_t flag_size = sizeof listens;
  return getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0 &&
         size == sizeof bound && bound.sin_family == AF_INET && bound.sin_port == wanted.sin_port &&
         bound.sin_addr.s_addr == wanted.sin_addr.s_addr &&
         getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &flag_size) == 0 && listens != 0;
}

struct Envelope {
  char byte = 'L';
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kListeners * sizeof(int))] = {};
  msghdr header = {};

  Envelope() {
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
};

}  // namespace

const char* OfferListeners(int socket) {
  const Fd proxy = Listen(kProxyDoorPort);
  if (!proxy.valid()) return "listen on the run's proxy port";
  const Fd tls = Listen(kTlsDoorPort);
  if (!tls.valid()) return "listen on the run's port 443";
  const int fds[kListeners] = {proxy.get(), tls.get()};
  Envelope envelope;
  cmsghdr* const control = CMSG_FIRSTHDR(&envelope.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(control), fds, sizeof fds);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &envelope.header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == 1 ? nullptr : "hand over the run's listeners";
}

std::optional<Listeners> TakeListeners(const Fd& socket) {
  Envelope envelope;
  ssize_t got = 0;
  do {
    got = recvmsg(socket.get(), &envelope.header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* const control = got == 1 ? CMSG_FIRSTHDR(&envelope.header) : nullptr;
  std::array<int, kListeners> fds;
  if (control == nullptr || control->cmsg_type != SCM_RIGHTS ||
      control->cmsg_len != CMSG_LEN(sizeof fds)) {
    return std::nullopt;
  }
  std::memcpy(fds.data(), CMSG_DATA(control), sizeof fds);
  Listeners listeners{Fd(fds[0]), Fd(fds[1])};
  if (!ListensAt(listeners.proxy, kProxyDoorPort) || !ListensAt(listeners.tls, kTlsDoorPort)) {
    return std::nullopt;
  }
  return listeners;
}

}  // namespace sandgate::runner
