#include "egress-proxy/dialer.h"

#include "egress-proxy/limits.h"

namespace sandgate::egress {
namespace {

Tcp::endpoint EndpointOf(const IpAddress& address, uint16_t port) {
  if (address.v6) return {net::ip::address_v6(address.bytes), port};
  net::ip::address_v4::bytes_type bytes;
  std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
  return {net::ip::address_v4(bytes), port};
}

// Shared by the attempts, which may end after the one that waits for them.
struct Race {
  explicit Race(const net::any_io_executor& executor) : event(executor) {}

  net::steady_timer event;
  std::vector<std::shared_ptr<Tcp::socket>> sockets;
  std::optional<size_t> winner;
  size_t failed = 0;

  void CloseAllBut(std::optional<size_t> kept) {
    for (size_t i = 0; i < sockets.size(); ++i) {
      error_code ignored;
      if (i != kept) sockets[i]->close(ignored);
    }
  }
};

void Start(const std::shared_ptr<Race>& race, const Tcp::endpoint& endpoint) {
  auto socket = std::make_shared<Tcp::socket>(race->event.get_executor());
  const size_t index = race->sockets.size();
  race->sockets.push_back(socket);
  socket->async_connect(endpoint, [race, socket, index](error_code ec) {
    if (ec) {
      ++race->failed;
    } else if (!race->winner) {
      race->winner = index;
    }
    race->event.cancel();
  });
}

}  // namespace

std::vector<IpAddress> DialOrder(const std::vector<IpAddress>& addresses) {
  std::vector<IpAddress> order;
  size_t next[2] = {0, 0};  // IPv6, IPv4
  for (bool v6 = true; order.size() < kMaxDials; v6 = !v6) {
    size_t& i = next[v6 ? 0 : 1];
    while (i < addresses.size() && addresses[i].v6 != v6) ++i;
    if (i < addresses.size()) order.push_back(addresses[i++]);
    const auto left = [&](size_t from, bool family) {
      for (; from < addresses.size(); ++from) {
        if (addresses[from].v6 == family) return true;
      }
      return false;
    };
    if (!left(next[0], true) && !left(next[1], false)) break;
  }
  return order;
}

net::awaitable<Dialed> Dial(net::any_io_executor executor, std::vector<IpAddress> order,
                            uint16_t port, Interrupt* interrupt) {
  const auto race = std::make_shared<Race>(executor);
  size_t begun = 0;
  while (!race->winner && !interrupt->raised()) {
    if (begun < order.size()) {
      Start(race, EndpointOf(order[begun++], port));
      race->event.expires_after(kDialStagger);
    } else {
      if (race->failed == begun) break;
      race->event.expires_at(Interrupt::Clock::time_point::max());
    }
    co_await interrupt->Wait(race->event);
  }
  race->CloseAllBut(race->winner);
  if (!race->winner || interrupt->raised()) {
    race->CloseAllBut(std::nullopt);
    co_return Dialed{std::nullopt, {}};
  }
  Dialed dialed{std::move(*race->sockets[*race->winner]), order[*race->winner]};
  error_code ignored;
  dialed.socket->set_option(Tcp::no_delay(true), ignored);
  co_return dialed;
}

}  // namespace sandgate::egress
