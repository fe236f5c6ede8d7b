// Names to addresses, by c-ares on a thread of its own. DNS alone: no hosts file, no search
// domains, no cache, so that what is checked is what was answered just now.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/status.h"
#include "libs/egress/address.h"
#include "libs/egress/protocol.h"

namespace sandgate::egress {

struct Resolved {
  // kNameNotFound, kResolver, kResolverTimeout, kTooManyAddresses; else there is an address.
  std::optional<Reason> problem;
  std::vector<IpAddress> addresses;  // IPv4 and IPv6, in the order of the answers
};

class Resolver {
 public:
  // `servers`: "10.96.0.10,10.0.0.2:5353"; empty: those of /etc/resolv.conf. kInvalidArgument when
  // c-ares does not read it.
  static base::Result<std::unique_ptr<Resolver>> Start(const std::string& servers);
  virtual ~Resolver() = default;  // ends the thread; open lookups are answered with kResolver

  // Calls `done` once, on the resolver's thread, which it must not hold up. Thread-safe. A lookup
  // takes kResolveTimeout at most, within a little.
  virtual void Resolve(const std::string& name, std::function<void(Resolved)> done) = 0;
};

}  // namespace sandgate::egress
