// The part of a session that finds the far side: name, addresses, connection.
#include "egress-proxy/dialer.h"
#include "egress-proxy/session.h"
#include "libs/egress/domain.h"

namespace sandgate::egress {
namespace {

// Filled in by the resolver's answer, which may come after the session has gone.
struct Waiting {
  explicit Waiting(const net::any_io_executor& executor)
      : event(executor, net::steady_timer::time_point::max()) {}
  net::steady_timer event;
  std::optional<Resolved> answer;
};

}  // namespace

Session::Step Session::Reach(std::string name) {
  if (!MatchesAnyDomain(grant_->domains, name)) co_return Reason::kNameNotAllowed;
  std::vector<IpAddress> addresses;
  std::optional<Reason> no = co_await Lookup(name, &addresses);
  if (!no) no = CheckAddresses(addresses);
  if (no) co_return no;
  interrupt_.Arm(kDialTimeout, Reason::kConnectTimeout);
  std::vector<IpAddress> order = DialOrder(addresses);
  net::awaitable<Dialed> dialing =
      Dial(near_.socket().get_executor(), std::move(order), kTunnelPort, &interrupt_);
  Dialed dialed = co_await std::move(dialing);
  if (!dialed.socket) co_return Broken(Reason::kConnectFailed);
  audit_.address = dialed.address.ToString();
  far_ = std::make_unique<PlainLeg>(*std::move(dialed.socket), &interrupt_);
  co_return std::nullopt;
}

Session::Step Session::Lookup(std::string name, std::vector<IpAddress>* addresses) {
  interrupt_.Arm(kResolveTimeout, Reason::kResolverTimeout);
  const auto waiting = std::make_shared<Waiting>(near_.socket().get_executor());
  const auto done = [waiting](Resolved resolved) {
    net::post(waiting->event.get_executor(), [waiting, resolved = std::move(resolved)]() mutable {
      waiting->answer = std::move(resolved);
      waiting->event.cancel();
    });
  };
  shared_->resolver->Resolve(name, done);
  const bool answered = co_await interrupt_.Wait(waiting->event);
  if (!answered || !waiting->answer) co_return Broken(Reason::kResolver);
  if (waiting->answer->problem) co_return waiting->answer->problem;
  *addresses = std::move(waiting->answer->addresses);
  co_return std::nullopt;
}

// One forbidden address spoils the name: who mixes them is after the one that slips through.
std::optional<Reason> Session::CheckAddresses(const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses) {
    const char* const kind = shared_->classifier.Forbidden(address);
    if (kind == nullptr) continue;
    audit_.address = address.ToString();
    audit_.detail = kind;
    return Reason::kAddressNotAllowed;
  }
  return std::nullopt;
}

}  // namespace sandgate::egress
