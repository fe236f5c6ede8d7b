// Connects to one of the addresses that were checked, and to no other.
#pragma once

#include <optional>
#include <vector>

#include "egress-proxy/carrying.h"
#include "libs/egress/address.h"

namespace sandgate::egress {

struct Dialed {
  std::optional<Tcp::socket> socket;  // none: nobody answered
  IpAddress address;
};

// The order of RFC 8305: families in turns, IPv6 first, each family as DNS gave it; at most
// kMaxDials. Pure.
std::vector<IpAddress> DialOrder(const std::vector<IpAddress>& addresses);

// Tries them in order, the next one when the last failed or has not answered for kDialStagger; the
// first to answer wins. Ends when all failed or the session is interrupted.
net::awaitable<Dialed> Dial(net::any_io_executor executor, std::vector<IpAddress> order,
                            uint16_t port, Interrupt* interrupt);

}  // namespace sandgate::egress
