// One connection of the client: call after call, kept while idle.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "libs/http/asio.h"
#include "libs/http/channel.h"
#include "libs/http/client.h"
#include "libs/http/client_talk.h"

namespace sandgate::http {

// A call on its way: one at a time has it, a connection or the pool.
struct PendingCall {
  Endpoint endpoint;
  Outgoing outgoing;
  bool repeatable = false;  // a GET
  CallOptions options;
  std::chrono::steady_clock::time_point deadline;
  Client::Callback callback;
  bool retried = false;
};
using CallPtr = std::unique_ptr<PendingCall>;

class ClientConnection;

// What a connection needs from the client that owns it; thread-safe, outlives it.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual void Finish(CallPtr call, base::Result<Response> result) = 0;
  virtual void RetryFresh(CallPtr call) = 0;  // on a new connection
  // The connection can take another call: false if it is not wanted any more. A call comes as
  // `assigned`, with a Notify.
  virtual bool Park(const std::shared_ptr<ClientConnection>& connection) = 0;
  // Takes the connection out of the pool, if it is there still.
  virtual void Unpark(const std::shared_ptr<ClientConnection>& connection) = 0;
  // The call assigned to a connection since Park, if any.
  virtual CallPtr TakeAssigned(ClientConnection& connection) = 0;
};

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  ClientConnection(ConnectionOwner* owner, std::string key, Tcp::socket socket,
                   std::shared_ptr<TlsContext> context, std::chrono::milliseconds idle_timeout)
      : owner_(owner),
        key_(std::move(key)),
        idle_timeout_(idle_timeout),
        context_(context),
        channel_(std::make_shared<Channel>(std::move(socket), std::move(context),
                                           Channel::Role::kClient)) {}

  static net::awaitable<void> Run(std::shared_ptr<ClientConnection> self, CallPtr first);

  const std::string& key() const { return key_; }  // to whom: endpoint and name
  Channel& channel() { return *channel_; }
  const std::shared_ptr<TlsContext>& context() const { return context_; }

  CallPtr assigned;  // guarded by the owner

 private:
  net::awaitable<bool> Perform(CallPtr call, bool kept);
  net::awaitable<base::Status> Connect(const PendingCall& call);
  net::awaitable<CallPtr> NextCall();

  ConnectionOwner* const owner_;
  const std::string key_;
  const std::chrono::milliseconds idle_timeout_;
  const std::shared_ptr<TlsContext> context_;
  const std::shared_ptr<Channel> channel_;
  size_t received_before_ = 0;  // this call
  bool reusable_ = false;       // after this call
};

}  // namespace sandgate::http
