#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace sandgate::testing {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// False when `from` has ended or `to` takes no more.
bool Copy(int from, int to) {
  char buffer[16 * 1024];
  const ssize_t got = ::recv(from, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  for (ssize_t done = 0; done < got;) {
    const ssize_t sent = ::send(to, buffer + done, static_cast<size_t>(got - done), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    done += sent;
  }
  return true;
}

}  // namespace

TcpProxy::TcpProxy(int target_port) : target_port_(target_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("proxy");
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { Accept(); });
}

TcpProxy::~TcpProxy() {
  Refuse(true);
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  Cut();
  relays_.clear();  // joins
  ::close(listener_);
}

void TcpProxy::Cut() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
}

void TcpProxy::Refuse(bool refuse) {
  const std::lock_guard<std::mutex> lock(mutex_);
  refuse_ = refuse;
}

void TcpProxy::Accept() {
  while (true) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (refuse_) {
      ::close(client);
      continue;
    }
    open_.insert(client);
    relays_.emplace_back([this, client] { Relay(client); });
  }
}

void TcpProxy::Relay(int client) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(target_port_);
  if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    while (::poll(ends, 2, -1) > 0) {
      if (ends[0].revents != 0 && !Copy(client, server)) break;
      if (ends[1].revents != 0 && !Copy(server, client)) break;
    }
  }
  ::close(server);
  const std::lock_guard<std::mutex> lock(mutex_);
  open_.erase(client);
  ::close(client);
}

}  // namespace sandgate::testing
