// One side of a TLS connection, straight on the socket: OpenSSL reads and writes the descriptor
// itself, and its buffers are gone while the connection is idle. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/http/asio.h"
#include "libs/tunnel/interrupt.h"

namespace sandgate::tunnel {

class TlsLeg {
 public:
  enum class Role { kServer, kClient };

  // Of a client the socket must be connected by the time of the handshake.
  TlsLeg(Tcp::socket socket, std::shared_ptr<http::TlsContext> context, Role role,
         Interrupt* interrupt);
  ~TlsLeg();
  TlsLeg(const TlsLeg&) = delete;
  TlsLeg& operator=(const TlsLeg&) = delete;

  // All waits end with the interrupt. After a false nothing but destruction makes sense.
  net::awaitable<bool> Handshake();

  enum class Got { kBytes, kNothingYet, kEnd, kError };
  // As much as is there and fits, without waiting.
  Got TryRead(char* into, size_t room, size_t* bytes);
  // Until TryRead may have more to say.
  net::awaitable<bool> WaitReadable();
  // At least one byte; kBytes, kEnd or kError.
  net::awaitable<Got> Read(char* into, size_t room, size_t* bytes);
  net::awaitable<bool> Write(std::string_view bytes);
  // close_notify: our direction ends.
  net::awaitable<void> EndWriting();

  SSL* native() { return tls_.get(); }
  Tcp::socket& socket() { return socket_; }

 private:
  struct Free {
    void operator()(SSL* tls) const;
  };
  net::awaitable<bool> WaitFor(int ssl_error);

  Tcp::socket socket_;
  const std::shared_ptr<http::TlsContext> context_;
  Interrupt* const interrupt_;
  std::unique_ptr<SSL, Free> tls_;
  int read_wants_;  // what the last TryRead waits for
};

}  // namespace sandgate::tunnel
