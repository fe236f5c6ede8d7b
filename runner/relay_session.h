// One connection of a run's code, from its first byte to its end. Lives on the relay's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libs/http/asio.h"
#include "libs/tunnel/buffer_pool.h"
#include "libs/tunnel/interrupt.h"
#include "libs/tunnel/plain_leg.h"
#include "libs/tunnel/tls_leg.h"
#include "runner/dial_gate.h"
#include "runner/relay.h"

namespace sandgate::runner {

// What all connections of a run share; the thread's own.
struct RelayShared {
  std::string grant;  // a secret
  tunnel::Tcp::endpoint proxy;
  std::shared_ptr<http::TlsContext> tls;
  tunnel::BufferPool buffers;
  DialGate gate;
  RelayCounts counts;
};

class RelaySession : public std::enable_shared_from_this<RelaySession> {
 public:
  // What the code speaks: HTTP's CONNECT, or TLS at once.
  enum class Door { kProxy, kTls };

  // `too_many`: it gets that answer instead of the proxy.
  RelaySession(RelayShared* shared, tunnel::Tcp::socket client, Door door, bool too_many);

  // Runs to the end, then calls `done`.
  void Start(std::function<void()> done);
  // Every wait of it ends.
  void Stop();

 private:
  using Reason = tunnel::Reason;
  // A step: nullopt to go on, or why not.
  using Step = tunnel::net::awaitable<std::optional<Reason>>;

  static tunnel::net::awaitable<void> Run(std::shared_ptr<RelaySession> self);
  Step Talk();
  Step ReadRequest();
  Step Ask();
  Step Connect(tunnel::Tcp::socket* socket);
  Step AskBySni();
  Step PassHello();
  Step Carry();
  tunnel::net::awaitable<void> Refuse(Reason reason);

  // What a failed wait or transfer means.
  Reason Broken(Reason otherwise) const {
    return interrupt_.raised() ? interrupt_.reason() : otherwise;
  }

  RelayShared* const shared_;
  const Door door_;
  const bool too_many_;
  tunnel::Interrupt interrupt_;
  tunnel::PlainLeg client_;
  std::optional<tunnel::TlsLeg> proxy_;
  std::string first_;  // what the client said first; of a CONNECT with the grant, a secret
  bool stopped_ = false;
  std::function<void()> done_;
};

}  // namespace sandgate::runner
