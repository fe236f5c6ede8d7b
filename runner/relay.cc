#include "runner/relay.h"

#include <sys/resource.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <unordered_set>

#include "libs/http/address.h"
#include "libs/http/tls_context.h"
#include "runner/relay_limits.h"
#include "runner/relay_session.h"

namespace sandgate::runner {
namespace {

namespace net = tunnel::net;
using base::Code;
using base::Result;
using base::Status;
using tunnel::error_code;
using tunnel::Tcp;
using Door = RelaySession::Door;

// After a failed accept (no descriptors left): wait until some connection may have ended.
constexpr std::chrono::milliseconds kAcceptRetry{100};

// Each connection takes two descriptors, one that is refused takes one.
size_t MaxConnections() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  constexpr rlim_t kKept = kDescriptorsKept + kMaxRelayRefusals;
  if (limit.rlim_cur <= kKept + 2) return 1;
  return static_cast<size_t>(std::min<rlim_t>(kMaxRelayConnections, (limit.rlim_cur - kKept) / 2));
}

class RelayImpl : public Relay {
 public:
  explicit RelayImpl(RelayShared shared)
      : shared_(std::move(shared)), max_connections_(MaxConnections()) {}
  ~RelayImpl() override { Stop(); }

  Status Run();
  void Serve(Listeners listeners) override;
  RelayCounts Stop() override;

 private:
  // One of the two listeners.
  struct Entrance {
    Entrance(net::io_context& io, Door with_door) : door(with_door), acceptor(io), retry(io) {}
    const Door door;
    Tcp::acceptor acceptor;
    net::steady_timer retry;
  };

  void Open(Entrance* entrance, base::Fd listener);
  net::awaitable<void> Accept(Entrance* entrance);
  void Begin(Tcp::socket client, Door door);
  void Close();

  // All but the thread is the thread's own.
  net::io_context io_{1};
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  RelayShared shared_;
  const size_t max_connections_;
  Entrance proxy_door_{io_, Door::kProxy};
  Entrance tls_door_{io_, Door::kTls};
  std::unordered_set<std::shared_ptr<RelaySession>> sessions_;
  bool closing_ = false;
  std::thread thread_;
};

Status RelayImpl::Run() {
  try {
    thread_ = std::thread([this] { io_.run(); });
  } catch (const std::system_error& error) {
    return Status(Code::kInternal, std::string("starting a thread: ") + error.what());
  }
  return Status::Ok();
}

void RelayImpl::Serve(Listeners listeners) {
  net::post(io_, [this, moved = std::move(listeners)]() mutable {
    if (closing_) return;
    Open(&proxy_door_, std::move(moved.proxy));
    Open(&tls_door_, std::move(moved.tls));
  });
}

void RelayImpl::Open(Entrance* entrance, base::Fd listener) {
  error_code ec;
  entrance->acceptor.assign(Tcp::v4(), listener.get(), ec);
  if (ec) return;  // the code finds nobody there
  listener.Release();
  net::co_spawn(io_, Accept(entrance), net::detached);
}

net::awaitable<void> RelayImpl::Accept(Entrance* entrance) {
  while (!closing_) {
    Tcp::socket client(io_);
    error_code ec;
    co_await entrance->acceptor.async_accept(client, net::redirect_error(net::use_awaitable, ec));
    if (closing_) co_return;
    try {
      if (!ec) {
        Begin(std::move(client), entrance->door);
        continue;
      }
    } catch (const std::exception&) {  // out of memory: as an accept that failed
    }
    error_code cancelled;
    entrance->retry.expires_after(kAcceptRetry);
    co_await entrance->retry.async_wait(net::redirect_error(net::use_awaitable, cancelled));
  }
}

void RelayImpl::Begin(Tcp::socket client, Door door) {
  ++shared_.counts.accepted;
  if (sessions_.size() >= max_connections_ + kMaxRelayRefusals) {
    ++shared_.counts.refused;
    return;
  }
  const bool too_many = sessions_.size() >= max_connections_;
  const auto session = std::make_shared<RelaySession>(&shared_, std::move(client), door, too_many);
  sessions_.insert(session);
  session->Start([this, key = session.get()] {
    // Later: the session still runs while it says that it is done.
    net::post(io_, [this, key] { sessions_.erase(key->shared_from_this()); });
  });
}

void RelayImpl::Close() {
  closing_ = true;
  for (Entrance* entrance : {&proxy_door_, &tls_door_}) {
    error_code ignored;
    entrance->acceptor.close(ignored);
    entrance->retry.cancel();
  }
  for (const auto& session : sessions_) session->Stop();
  work_.reset();
}

RelayCounts RelayImpl::Stop() {
  if (thread_.joinable()) {
    net::post(io_, [this] { Close(); });
    thread_.join();  // bounded: every wait of a stopped session ends at once
  }
  return shared_.counts;
}

}  // namespace

Result<std::unique_ptr<Relay>> Relay::Start(const RunnerIdentity& identity,
                                            const api::RunNetwork& network) {
  const std::optional<http::Address> address = http::ParseAddress(network.proxy);
  error_code ec;
  const auto ip = net::ip::make_address(address ? address->host : "", ec);
  if (!address || ec) return Status(Code::kInvalidArgument, "network.proxy: is no address");
  auto tls = http::MakeClientContext(identity.tls, identity.ca_pem);
  if (!tls.ok()) return tls.status();
  auto relay = std::make_unique<RelayImpl>(
      RelayShared{network.grant, Tcp::endpoint(ip, address->port), std::move(tls).value(),
                  tunnel::BufferPool(kRelayBufferBytes, kRelayKeptBuffers),
                  DialGate(kMaxRelayDials), RelayCounts{}});
  const Status running = relay->Run();
  if (!running.ok()) return running;
  return std::unique_ptr<Relay>(std::move(relay));
}

}  // namespace sandgate::runner
