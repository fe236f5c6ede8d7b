// One client of a server: request after request until it leaves, misbehaves or is stopped.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "libs/http/asio.h"
#include "libs/http/channel.h"
#include "libs/http/exchange.h"
#include "libs/http/request_reader.h"
#include "libs/http/server.h"

namespace sandgate::http {

// What all connections of one server share; outlives them.
struct ServerShared {
  ServerOptions options;
  Handler handler;
  mutable std::atomic<size_t> unread_bytes = 0;  // of requests that are not whole yet

  ServerShared(ServerOptions o, Handler h) : options(std::move(o)), handler(std::move(h)) {}
};

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(std::shared_ptr<const ServerShared> shared, Tcp::socket socket,
                   std::shared_ptr<TlsContext> context);

  // Serves until the end, then calls `done` on the connection's strand.
  void Start(std::function<void()> done);

  // Thread-safe. Finish: no request after the one that runs; Abort: now.
  void PostFinish();
  void PostAbort();

 private:
  static net::awaitable<void> Run(std::shared_ptr<ServerConnection> self);
  net::awaitable<bool> ServeOne();
  net::awaitable<bool> ReadRequest(RequestReader& reader);
  net::awaitable<bool> Answer(const std::shared_ptr<Exchange>& exchange, bool head_only,
                              bool http11);
  net::awaitable<bool> WriteResponse(Response response, bool head_only);
  net::awaitable<bool> WriteTimed(std::string_view bytes);
  net::awaitable<bool> RefuseRequest(const RequestReader::Refusal& refusal);
  bool BeginHead(const Response& response, bool head_only, bool http11, std::string* bytes);
  std::shared_ptr<Exchange> Dispatch(Request request);
  bool TakeIdentity();

  const std::shared_ptr<const ServerShared> shared_;
  const std::shared_ptr<Channel> channel_;
  Peer peer_;
  bool idle_ = true;        // no byte of a request has come
  bool finishing_ = false;  // keep the connection no longer than the current request
  bool keep_alive_ = true;
};

}  // namespace sandgate::http
