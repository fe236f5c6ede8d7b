#include "libs/http/server.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "libs/base/log.h"
#include "libs/http/asio.h"
#include "libs/http/server_connection.h"
#include "libs/http/tls_context.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Result;
using base::Status;

// After a failed accept (no descriptors left): wait until some connection may have ended.
constexpr std::chrono::milliseconds kAcceptRetry{100};

class ServerImpl : public Server {
 public:
  ServerImpl(ServerOptions options, Handler handler)
      : shared_(std::make_shared<ServerShared>(std::move(options), std::move(handler))),
        io_(shared_->options.threads),
        work_(io_.get_executor()),
        accept_strand_(net::make_strand(io_)),
        acceptor_(accept_strand_),
        retry_(accept_strand_) {}

  ~ServerImpl() override { Stop(std::chrono::milliseconds(0)); }

  Status Listen();
  void Run();
  uint16_t port() const override { return port_; }
  Status ReloadTls(const ServerTls& tls) override;
  void Stop(std::chrono::milliseconds grace) override;

 private:
  net::awaitable<void> Accept();
  void Admit(Tcp::socket socket);
  void Remove(const std::shared_ptr<ServerConnection>& connection);
  void CloseAcceptor();

  const std::shared_ptr<const ServerShared> shared_;
  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> work_;
  net::strand<net::io_context::executor_type> accept_strand_;
  Tcp::acceptor acceptor_;
  net::steady_timer retry_;
  std::vector<std::thread> threads_;
  uint16_t port_ = 0;

  std::mutex stop_mutex_;  // one Stop at a time
  bool stopped_ = false;   // guarded by stop_mutex_

  std::mutex mutex_;
  std::condition_variable empty_;
  // Guarded by mutex_.
  std::shared_ptr<TlsContext> context_;
  std::unordered_set<std::shared_ptr<ServerConnection>> connections_;
  bool stopping_ = false;
};

Status ServerImpl::Listen() {
  const ServerOptions& options = shared_->options;
  if (options.tls) {
    const Status loaded = ReloadTls(options.server_tls);
    if (!loaded.ok()) return loaded;
  }
  error_code ec;
  const net::ip::address address = net::ip::make_address(options.address, ec);
  if (ec) return Status(Code::kInvalidArgument, "not an IP address: " + options.address);
  const Tcp::endpoint endpoint(address, options.port);
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(Tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(net::socket_base::max_listen_connections, ec);
  if (ec) {
    return Status(Code::kUnavailable, "listening on " + options.address + ":" +
                                          std::to_string(options.port) + ": " + ec.message());
  }
  port_ = acceptor_.local_endpoint().port();
  return Status::Ok();
}

void ServerImpl::Run() {
  net::co_spawn(accept_strand_, Accept(), net::detached);
  for (int i = 0; i < shared_->options.threads; ++i) {
    threads_.emplace_back([this] { io_.run(); });
  }
}

net::awaitable<void> ServerImpl::Accept() {
  while (acceptor_.is_open()) {
    error_code ec;
    Tcp::socket socket(net::make_strand(io_));
    co_await acceptor_.async_accept(socket, net::redirect_error(net::use_awaitable, ec));
    if (!ec) {
      Admit(std::move(socket));
    } else if (acceptor_.is_open()) {
      base::LogWarning("accepting a connection failed", {{"error", ec.message()}});
      error_code cancelled;
      retry_.expires_after(kAcceptRetry);
      co_await retry_.async_wait(net::redirect_error(net::use_awaitable, cancelled));
    }
  }
}

void ServerImpl::Admit(Tcp::socket socket) {
  std::shared_ptr<ServerConnection> connection;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || connections_.size() >= shared_->options.max_connections) return;
    connection = std::make_shared<ServerConnection>(shared_, std::move(socket), context_);
    connections_.insert(connection);
  }
  connection->Start([this, connection] { Remove(connection); });
}

void ServerImpl::Remove(const std::shared_ptr<ServerConnection>& connection) {
  const std::lock_guard<std::mutex> lock(mutex_);
  connections_.erase(connection);
  if (connections_.empty()) empty_.notify_all();
}

Status ServerImpl::ReloadTls(const ServerTls& tls) {
  if (!shared_->options.tls) return Status(Code::kInvalidArgument, "this server speaks plain HTTP");
  Result<std::shared_ptr<TlsContext>> context = MakeServerContext(tls);
  if (!context.ok()) return context.status();
  const std::lock_guard<std::mutex> lock(mutex_);
  context_ = std::move(context).value();
  return Status::Ok();
}

void ServerImpl::CloseAcceptor() {
  net::post(accept_strand_, [this] {
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  });
}

void ServerImpl::Stop(std::chrono::milliseconds grace) {
  const std::lock_guard<std::mutex> stop_lock(stop_mutex_);
  if (stopped_) return;
  stopped_ = true;
  CloseAcceptor();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    const auto none_left = [this] { return connections_.empty(); };
    for (const auto& connection : connections_) connection->PostFinish();
    if (!empty_.wait_for(lock, grace, none_left)) {
      for (const auto& connection : connections_) connection->PostAbort();
      empty_.wait(lock, none_left);
    }
  }
  work_.reset();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(ServerOptions options, Handler handler) {
  auto server = std::make_unique<ServerImpl>(std::move(options), std::move(handler));
  const Status listening = server->Listen();
  if (!listening.ok()) return listening;
  server->Run();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace sandgate::http
