// An IP address with a port, as sockets want it. Nothing is ever looked up: a sandbox has no DNS.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace sandgate::runner {

class SocketAddress {
 public:
  // "10.96.0.7:8443" or "[2001:db8::7]:8443"; nullopt for names, zones and port 0.
  static std::optional<SocketAddress> Parse(const std::string& text);

  int family() const { return storage_.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  SocketAddress() = default;

  sockaddr_storage storage_ = {};
  socklen_t size_ = 0;
};

}  // namespace sandgate::runner
