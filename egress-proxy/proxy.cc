#include "egress-proxy/proxy.h"

#include <atomic>
#include <condition_variable>
#include <thread>
#include <unordered_set>

#include "egress-proxy/session.h"
#include "libs/base/log.h"
#include "libs/http/tls_context.h"

namespace sandgate::egress {
namespace {

using base::Code;
using base::Result;
using base::Status;

// After a failed accept (no descriptors left): wait until some connection may have ended.
constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr int kBacklog = 4096;

// A thread with connections of its own: nothing in a session is ever touched by two.
struct Worker {
  net::io_context io{1};
  net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  BufferPool buffers{kSpliceBytes, kKeptBuffers};
  std::unordered_set<std::shared_ptr<Session>> sessions;  // the thread's own
  bool stopping = false;                                  // the thread's own
  std::thread thread;
};

class ProxyImpl : public Proxy {
 public:
  ProxyImpl(ProxyOptions options, std::unique_ptr<Resolver> resolver, Metrics* metrics)
      : options_(std::move(options)),
        resolver_(std::move(resolver)),
        shared_(options_.limits, AddressClassifier(options_.exceptions, options_.cluster),
                resolver_.get(), metrics) {
    for (int i = 0; i < options_.threads; ++i) workers_.push_back(std::make_unique<Worker>());
    acceptor_.emplace(workers_[0]->io);
    retry_.emplace(workers_[0]->io);
  }
  ~ProxyImpl() override { Stop(std::chrono::milliseconds(0)); }

  Status Listen();
  void Run();
  uint16_t port() const override { return port_; }
  Status SetTls(const http::ServerTls& tls) override;
  Status SetKeys(const std::vector<std::string>& public_pems) override;
  void Stop(std::chrono::milliseconds grace) override;

 private:
  net::awaitable<void> Accept();
  void Admit(Worker* worker, Tcp::socket socket);
  void TurnAway(const std::string& client, Reason reason);
  void Begin(Worker* worker, Tcp::socket socket, std::unique_ptr<Arrivals::Place> arrival);
  void Ended();

  const ProxyOptions options_;
  std::unique_ptr<Resolver> resolver_;  // goes first: its answers name sessions' executors
  Shared shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::optional<Tcp::acceptor> acceptor_;
  std::optional<net::steady_timer> retry_;
  uint16_t port_ = 0;
  bool stopped_ = false;

  std::mutex mutex_;
  std::condition_variable ended_;
  size_t open_ = 0;  // guarded by mutex_
};

Status ProxyImpl::Listen() {
  error_code ec;
  const net::ip::address address = net::ip::make_address(options_.listen.host, ec);
  if (ec) return Status(Code::kInvalidArgument, "not an IP address: " + options_.listen.host);
  const Tcp::endpoint endpoint(address, options_.listen.port);
  acceptor_->open(endpoint.protocol(), ec);
  if (!ec) acceptor_->set_option(Tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor_->bind(endpoint, ec);
  if (!ec) acceptor_->listen(kBacklog, ec);
  if (ec) {
    return Status(Code::kUnavailable, "listening on " + options_.listen.host + ":" +
                                          std::to_string(options_.listen.port) + ": " +
                                          ec.message());
  }
  port_ = acceptor_->local_endpoint().port();
  return Status::Ok();
}

void ProxyImpl::Run() {
  net::co_spawn(workers_[0]->io, Accept(), net::detached);
  for (const auto& worker : workers_) {
    worker->thread = std::thread([io = &worker->io] { io->run(); });
  }
}

net::awaitable<void> ProxyImpl::Accept() {
  for (size_t next = 0; acceptor_->is_open(); ++next) {
    Worker* const worker = workers_[next % workers_.size()].get();
    Tcp::socket socket(worker->io);
    error_code ec;
    co_await acceptor_->async_accept(socket, net::redirect_error(net::use_awaitable, ec));
    if (!ec) {
      Admit(worker, std::move(socket));
    } else if (acceptor_->is_open()) {
      base::LogWarning("accepting a connection failed", {{"error", ec.message()}});
      error_code cancelled;
      retry_->expires_after(kAcceptRetry);
      co_await retry_->async_wait(net::redirect_error(net::use_awaitable, cancelled));
    }
  }
}

void ProxyImpl::Admit(Worker* worker, Tcp::socket socket) {
  error_code ec;
  const Tcp::endpoint peer = socket.remote_endpoint(ec);
  const std::string client = ec ? "" : peer.address().to_string();
  std::unique_ptr<Arrivals::Place> arrival = shared_.arrivals.Enter(client);
  if (!arrival) return TurnAway(client, Reason::kClientConnections);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (open_ < options_.limits.max_connections) {
      ++open_;
      net::post(worker->io,
                [this, worker, moved = std::move(socket), place = std::move(arrival)]() mutable {
                  Begin(worker, std::move(moved), std::move(place));
                });
      return;
    }
  }
  TurnAway(client, Reason::kProxyConnections);
}

// No handshake for these: that is the work that a flood is after.
void ProxyImpl::TurnAway(const std::string& client, Reason reason) {
  AuditLine line;
  line.client = client;
  line.reason = reason;
  WriteAuditLine(line);
  shared_.metrics->CountOpened();
  shared_.metrics->CountEnded(reason, false, 0, 0);
}

void ProxyImpl::Begin(Worker* worker, Tcp::socket socket,
                      std::unique_ptr<Arrivals::Place> arrival) {
  if (worker->stopping) return Ended();
  const auto session =
      std::make_shared<Session>(&shared_, &worker->buffers, std::move(socket), std::move(arrival));
  worker->sessions.insert(session);
  session->Start([this, worker, key = session.get()] {
    // Later: the session still runs while it says that it is done.
    net::post(worker->io, [worker, key] { worker->sessions.erase(key->shared_from_this()); });
    Ended();
  });
}

void ProxyImpl::Ended() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (--open_ == 0) ended_.notify_all();
}

Status ProxyImpl::SetTls(const http::ServerTls& tls) {
  if (tls.client_ca_pem.empty()) return Status(Code::kInvalidArgument, "no client CA");
  auto context = http::MakeServerContext(tls);
  if (!context.ok()) return context.status();
  shared_.SetTls(std::move(context).value());
  return Status::Ok();
}

Status ProxyImpl::SetKeys(const std::vector<std::string>& public_pems) {
  auto verifier = GrantVerifier::Create(public_pems);
  if (!verifier.ok()) return verifier.status();
  shared_.metrics->SetGrantKeys(verifier->size());
  shared_.SetVerifier(std::move(verifier).value());
  return Status::Ok();
}

void ProxyImpl::Stop(std::chrono::milliseconds grace) {
  if (stopped_) return;
  stopped_ = true;
  net::post(workers_[0]->io, [this] {
    error_code ignored;
    acceptor_->close(ignored);
    retry_->cancel();
  });
  std::unique_lock<std::mutex> lock(mutex_);
  const auto none_left = [this] { return open_ == 0; };
  if (!ended_.wait_for(lock, grace, none_left)) {
    for (const auto& worker : workers_) {
      net::post(worker->io, [worker = worker.get()] {
        worker->stopping = true;
        for (const auto& session : worker->sessions) session->Stop();
      });
    }
    ended_.wait(lock, none_left);  // bounded: a stopped session writes one refusal at most
  }
  lock.unlock();
  resolver_.reset();
  for (const auto& worker : workers_) worker->work.reset();
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

}  // namespace

Result<std::unique_ptr<Proxy>> Proxy::Start(ProxyOptions options, const http::ServerTls& tls,
                                            Metrics* metrics) {
  auto resolver = Resolver::Start(options.resolver);
  if (!resolver.ok()) return resolver.status();
  auto proxy =
      std::make_unique<ProxyImpl>(std::move(options), std::move(resolver).value(), metrics);
  const Status loaded = proxy->SetTls(tls);
  if (!loaded.ok()) return loaded;
  const Status listening = proxy->Listen();
  if (!listening.ok()) return listening;
  proxy->Run();
  return std::unique_ptr<Proxy>(std::move(proxy));
}

}  // namespace sandgate::egress
