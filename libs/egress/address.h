// Which addresses are public: the gate between what DNS says and where the proxy connects. Pure.
// Source of the ranges: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its
// successors), and the addresses at which clouds answer with credentials.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/status.h"

namespace sandgate::egress {

struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // IPv4 in the first four

  // The usual spellings alone (inet_pton): nullopt for short, octal, hex and zone forms.
  static std::optional<IpAddress> Parse(const std::string& text);
  std::string ToString() const;
  bool operator==(const IpAddress&) const = default;
};

struct Cidr {
  IpAddress base;
  unsigned prefix = 0;  // bits

  // "10.0.0.0/8"; a bare address is that one. kInvalidArgument names the text; bits behind the
  // prefix must be zero.
  static base::Result<Cidr> Parse(const std::string& text);
  bool Contains(const IpAddress& address) const;
};

// Comma-separated; empty text is an empty list.
base::Result<std::vector<Cidr>> ParseCidrList(std::string_view text);

// Immutable and thread-safe.
class AddressClassifier {
 public:
  // `exceptions` (allowedPrivateCIDRs) are reachable although they are not public, for mirrors
  // inside a company. `cluster` are the pods', Services' and nodes' ranges: never reachable.
  //
  // An exception opens a range only if it is at least as narrow as that range: 10.0.0.0/8 opens
  // private addresses, but neither a cluster range 10.96.0.0/12 within it nor a metadata address,
  // and 0.0.0.0/0 opens nothing. The forms of IPv6 that hold an IPv4 address (mapped, NAT64, 6to4)
  // need the exception for themselves, and what they hold is then judged as well.
  AddressClassifier(std::vector<Cidr> exceptions, std::vector<Cidr> cluster)
      : exceptions_(std::move(exceptions)), cluster_(std::move(cluster)) {}
  AddressClassifier() = default;

  // nullptr when the address may be reached, else its kind in a word or two ("private",
  // "link-local", "metadata", "mapped IPv4", ...).
  const char* Forbidden(const IpAddress& address) const;

 private:
  bool Excepted(const IpAddress& address, unsigned prefix) const;

  std::vector<Cidr> exceptions_;
  std::vector<Cidr> cluster_;
};

}  // namespace sandgate::egress
