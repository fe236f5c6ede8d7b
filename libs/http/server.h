// An HTTPS/HTTP server for hostile clients: every size, count and wait has a named limit.
//
// The handler gets whole requests and answers whenever it likes, from any thread: a waiting call
// is a Responder somebody keeps, never a thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/status.h"
#include "libs/http/message.h"
#include "libs/http/tls.h"

namespace sandgate::http {

struct ServerTls {
  TlsIdentity identity;       // required
  std::string client_ca_pem;  // if set, every client must present a certificate of this authority
};

struct ServerOptions {
  std::string address = "0.0.0.0";
  uint16_t port = 0;  // 0: any free one; see Server::port()
  int threads = 1;
  bool tls = true;  // false: plain HTTP (health and metrics ports only)
  ServerTls server_tls;
  size_t max_connections = 1024;        // one more is closed at once
  size_t max_header_bytes = 16 * 1024;  // more: 431
  size_t max_body_bytes =
      1024 * 1024;  // more: 413, told before the body is read when it is declared
  // Of all requests that are being read, together; more: 503. Without it, connections times bodies
  // is what anybody could make the process hold.
  size_t max_unread_bytes = 64 * 1024 * 1024;
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds read_timeout{30'000};   // for one whole request, first byte to last
  std::chrono::milliseconds idle_timeout{60'000};   // between requests
  std::chrono::milliseconds write_timeout{30'000};  // for one response or one stream chunk
};

// The right to answer one request, once. Copies share that right. Thread-safe. If every copy is
// dropped without an answer, the client gets 500.
class Responder {
 public:
  class Impl;
  explicit Responder(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

  // Answers. Does nothing if an answer was given already or the client is gone.
  void Send(Response response) const;

  // Answers with a body of unknown length (server-sent events, progress): head first, then chunks.
  // Write returns false when the client is gone or has more than 1 MiB unread: stop then.
  void BeginStream(Response head) const;
  bool Write(std::string chunk) const;
  void EndStream() const;

  // Calls `callback` once, on a server thread, if the client goes away before the answer is sent
  // (at once, on the calling thread, if it has gone already: hold no lock that `callback` takes).
  // A stop of the server counts as going away. One callback a request; dropped once the answer is
  // sent. While the client has more than its buffer of later requests waiting, nobody reads, so its
  // going is noticed only when the answer is written.
  void OnClosed(std::function<void()> callback) const;

 private:
  std::shared_ptr<Impl> impl_;
};

// Runs on a server thread and must not block: hand long work to a pool.
using Handler = std::function<void(Request request, Responder responder)>;

class Server {
 public:
  // Listens and serves until Stop. Fails with kUnavailable (port busy) or kInvalidArgument (TLS
  // material). TLS is 1.2 at least; server and client see HTTP/1.1 alone.
  static base::Result<std::unique_ptr<Server>> Start(ServerOptions options, Handler handler);
  virtual ~Server() = default;

  virtual uint16_t port() const = 0;
  // New connections use the new material; open ones keep theirs.
  virtual base::Status ReloadTls(const ServerTls& tls) = 0;
  // Accepts no more, gives running requests up to `grace` to finish, then closes all. Idempotent.
  // Never from a handler or a callback: it waits for the threads that run them. Responders may
  // outlive the server; they then do nothing.
  virtual void Stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace sandgate::http
