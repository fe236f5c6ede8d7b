#include "runner/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "libs/http/address.h"

namespace sandgate::runner {

std::optional<SocketAddress> SocketAddress::Parse(const std::string& text) {
  const std::optional<http::Address> parsed = http::ParseAddress(text);
  if (!parsed || parsed->port == 0) return std::nullopt;
  SocketAddress address;
  sockaddr_in v4 = {};
  sockaddr_in6 v6 = {};
  if (inet_pton(AF_INET, parsed->host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(parsed->port);
    std::memcpy(&address.storage_, &v4, address.size_ = sizeof v4);
  } else if (inet_pton(AF_INET6, parsed->host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(parsed->port);
    std::memcpy(&address.storage_, &v6, address.size_ = sizeof v6);
  } else {
    return std::nullopt;
  }
  return address;
}

}  // namespace sandgate::runner
