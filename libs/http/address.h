// Where to listen, as a command line says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sandgate::http {

struct Address {
  std::string host;  // an IP literal, without brackets
  uint16_t port = 0;
};

// "0.0.0.0:8081" or "[::1]:8081"; nullopt when it is neither. Port 0 means any free one.
std::optional<Address> ParseAddress(const std::string& text);

}  // namespace sandgate::http
