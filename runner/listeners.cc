#include "runner/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runner/descriptors.h"
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
base::Fd Listen(uint16_t port) {
  const sockaddr_in address = Door(port);
  base::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fd;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    fd.Reset();
    errno = error;
  }
  return fd;
}

bool ListensAt(const base::Fd& fd, uint16_t port) {
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

}  // namespace

const char* OfferListeners(int socket) {
  const base::Fd proxy = Listen(kProxyDoorPort);
  if (!proxy.valid()) return "listen on the run's proxy port";
  const base::Fd tls = Listen(kTlsDoorPort);
  if (!tls.valid()) return "listen on the run's port 443";
  const int fds[kListeners] = {proxy.get(), tls.get()};
  return SendDescriptors(socket, fds) ? nullptr : "hand over the run's listeners";
}

std::optional<Listeners> TakeListeners(const base::Fd& socket) {
  std::vector<base::Fd> received = ReceiveDescriptors(socket.get(), kListeners, MSG_DONTWAIT);
  if (received.size() != kListeners) return std::nullopt;
  Listeners listeners{std::move(received[0]), std::move(received[1])};
  if (!ListensAt(listeners.proxy, kProxyDoorPort) || !ListensAt(listeners.tls, kTlsDoorPort)) {
    return std::nullopt;
  }
  return listeners;
}

}  // namespace sandgate::runner
