#include "libs/http/client.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "libs/base/log.h"
#include "libs/http/client_connection.h"
#include "libs/http/message_format.h"
#include "libs/http/tls_context.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Result;
using base::Status;
using ConnectionPtr = std::shared_ptr<ClientConnection>;

std::string HostOf(const Endpoint& endpoint) {
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return (v6 ? '[' + endpoint.address + ']' : endpoint.address) + ':' +
         std::to_string(endpoint.port);
}

class ClientImpl : public Client, public ConnectionOwner {
 public:
  ClientImpl(ClientOptions options, std::shared_ptr<TlsContext> context)
      : options_(std::move(options)),
        io_(options_.threads),
        work_(io_.get_executor()),
        context_(std::move(context)) {
    for (int i = 0; i < options_.threads; ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
  }
  ~ClientImpl() override;

  void Call(const Endpoint& endpoint, Request request, CallOptions options,
            Callback callback) override;
  Status ReloadTls(const TlsIdentity& identity, const std::string& ca_pem) override;

 private:
  void Finish(CallPtr call, Result<Response> result) override;
  void RetryFresh(CallPtr call) override;
  bool Park(const ConnectionPtr& connection) override;
  void Unpark(const ConnectionPtr& connection) override;
  CallPtr TakeAssigned(ClientConnection& connection) override;

  void Dispatch(CallPtr call, bool fresh);
  Status Admit(CallPtr* call, bool fresh);
  bool AssignParked(const std::string& key, CallPtr* call);
  bool MakeRoom();
  void StartConnection(const std::string& key, CallPtr call);
  void PostFinish(CallPtr call, Status failure);

  const ClientOptions options_;
  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> work_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<TlsContext> context_;
  std::unordered_set<ConnectionPtr> connections_;
  std::unordered_map<std::string, std::vector<ConnectionPtr>> parked_;  // no empty vectors
  bool stopping_ = false;
};

ClientImpl::~ClientImpl() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    for (const ConnectionPtr& connection : connections_) connection->channel().PostClose();
  }
  work_.reset();
  for (std::thread& thread : threads_) thread.join();
}

void ClientImpl::Call(const Endpoint& endpoint, Request request, CallOptions options,
                      Callback callback) {
  auto call = std::make_unique<PendingCall>();
  call->endpoint = endpoint;
  call->outgoing.to_head = request.method == "HEAD";
  call->outgoing.max_response_bytes = options.max_response_bytes;
  call->repeatable = request.method == "GET";
  call->deadline = std::chrono::steady_clock::now() + options.deadline;
  call->options = std::move(options);
  call->callback = std::move(callback);
  Result<std::string> bytes = FormatRequest(request, HostOf(endpoint));
  if (!bytes.ok()) return PostFinish(std::move(call), bytes.status());
  if (call->options.expected_uri.empty()) {
    return PostFinish(std::move(call), Status(Code::kInvalidArgument, "no expected_uri"));
  }
  call->outgoing.bytes = std::move(bytes).value();
  Dispatch(std::move(call), false);
}

Status ClientImpl::ReloadTls(const TlsIdentity& identity, const std::string& ca_pem) {
  Result<std::shared_ptr<TlsContext>> context = MakeClientContext(identity, ca_pem);
  if (!context.ok()) return context.status();
  const std::lock_guard<std::mutex> lock(mutex_);
  context_ = std::move(context).value();
  for (const auto& [key, connections] : parked_) {
    for (const ConnectionPtr& connection : connections) connection->channel().PostClose();
  }
  parked_.clear();
  return Status::Ok();
}

void ClientImpl::PostFinish(CallPtr call, Status failure) {
  // std::function wants copies; Asio's post moves.
  net::post(io_, [this, call = std::move(call), failure = std::move(failure)]() mutable {
    Finish(std::move(call), std::move(failure));
  });
}

void ClientImpl::Finish(CallPtr call, Result<Response> result) {
  if (!result.ok()) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) result = Status(Code::kCancelled, "the client is being closed");
  }
  const Callback callback = std::move(call->callback);
  call.reset();
  try {
    callback(std::move(result));
  } catch (const std::exception& failure) {
    base::LogError("a client's callback threw", {{"error", failure.what()}});
  }
}

void ClientImpl::RetryFresh(CallPtr call) {
  call->retried = true;
  Dispatch(std::move(call), true);
}

void ClientImpl::Dispatch(CallPtr call, bool fresh) {
  const Status admitted = Admit(&call, fresh);
  if (!admitted.ok()) PostFinish(std::move(call), admitted);
}

// Hands the call to a connection; a failure leaves it with the caller.
Status ClientImpl::Admit(CallPtr* call, bool fresh) {
  const std::string key = HostOf((*call)->endpoint) + ' ' + (*call)->options.expected_uri;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return Status(Code::kCancelled, "the client is being closed");
  if (!fresh && AssignParked(key, call)) return Status::Ok();
  if (connections_.size() >= options_.max_connections && !MakeRoom()) {
    return Status(Code::kResourceExhausted,
                  std::to_string(options_.max_connections) + " connections are in use");
  }
  StartConnection(key, std::move(*call));
  return Status::Ok();
}

// With mutex_ held.
bool ClientImpl::AssignParked(const std::string& key, CallPtr* call) {
  const auto found = parked_.find(key);
  if (found == parked_.end()) return false;
  const ConnectionPtr connection = std::move(found->second.back());  // the warmest
  found->second.pop_back();
  if (found->second.empty()) parked_.erase(found);
  connection->assigned = std::move(*call);
  connection->channel().PostNotify();
  return true;
}

// Closes some idle connection; with mutex_ held.
bool ClientImpl::MakeRoom() {
  if (parked_.empty()) return false;
  const auto first = parked_.begin();
  const ConnectionPtr connection = std::move(first->second.front());
  first->second.erase(first->second.begin());
  if (first->second.empty()) parked_.erase(first);
  connections_.erase(connection);
  connection->channel().PostClose();
  return true;
}

// With mutex_ held.
void ClientImpl::StartConnection(const std::string& key, CallPtr call) {
  const auto strand = net::make_strand(io_);
  const auto connection = std::make_shared<ClientConnection>(this, key, Tcp::socket(strand),
                                                             context_, options_.idle_timeout);
  connections_.insert(connection);
  net::co_spawn(strand, ClientConnection::Run(connection, std::move(call)),
                [this, connection](std::exception_ptr failure) {
                  if (failure) base::LogError("a client connection ended by an exception");
                  connection->channel().Close();
                  const std::lock_guard<std::mutex> done_lock(mutex_);
                  connections_.erase(connection);
                });
}

bool ClientImpl::Park(const ConnectionPtr& connection) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_ || connection->context() != context_) return false;
  parked_[connection->key()].push_back(connection);
  return true;
}

void ClientImpl::Unpark(const ConnectionPtr& connection) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = parked_.find(connection->key());
  if (found == parked_.end()) return;
  std::erase(found->second, connection);
  if (found->second.empty()) parked_.erase(found);
}

CallPtr ClientImpl::TakeAssigned(ClientConnection& connection) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::move(connection.assigned);
}

}  // namespace

Result<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  Result<std::shared_ptr<TlsContext>> context = MakeClientContext(options.identity, options.ca_pem);
  if (!context.ok()) return context.status();
  return std::unique_ptr<Client>(
      std::make_unique<ClientImpl>(std::move(options), std::move(context).value()));
}

}  // namespace sandgate::http
