// One connection of a runner, from its handshake to its audit line. Lives on one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "egress-proxy/audit_line.h"
#include "egress-proxy/carrying.h"
#include "egress-proxy/connect_request.h"
#include "egress-proxy/shared.h"

namespace sandgate::egress {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `arrival`: the connection's place among those that have shown no grant.
  Session(Shared* shared, BufferPool* buffers, Tcp::socket socket,
          std::unique_ptr<Arrivals::Place> arrival);

  // Runs to the end; then calls `done`, on the session's thread, and writes the audit line.
  void Start(std::function<void()> done);
  // The session's own thread only. Ends it with kShutdown.
  void Stop() { interrupt_.Raise(Reason::kShutdown); }

 private:
  // A step of the pipeline: nullopt to go on, or why not.
  using Step = net::awaitable<std::optional<Reason>>;

  static net::awaitable<void> Run(std::shared_ptr<Session> self);
  // The pipeline; each step has its own deadline.
  net::awaitable<Reason> Talk();
  Step Authenticate();
  Step ReadRequest(ConnectRequest* request);
  std::optional<Reason> TakeGrant(const std::string& token);
  Step Reach(std::string name);
  Step Lookup(std::string name, std::vector<IpAddress>* addresses);
  std::optional<Reason> CheckAddresses(const std::vector<IpAddress>& addresses);
  Step Answer();
  Step ReadHello(bool after_retry);
  Step NameFromHello(std::string sni);
  Step SendHello();
  Step GuardRetry();
  net::awaitable<Reason> CarryOn();

  // What happens instead.
  net::awaitable<void> Refuse(Reason reason);
  void Finish(Reason reason);

  // What a failed wait or transfer means.
  Reason Broken(Reason otherwise) const {
    return interrupt_.raised() ? interrupt_.reason() : otherwise;
  }

  Shared* const shared_;
  BufferPool* const buffers_;
  const Interrupt::Clock::time_point began_ = Interrupt::Clock::now();
  Interrupt interrupt_;
  TlsLeg near_;
  std::unique_ptr<PlainLeg> far_;
  std::unique_ptr<Arrivals::Place> arrival_;
  std::optional<Grant> grant_;
  std::unique_ptr<RunTable::Lease> lease_;
  bool answered_ = false;  // with 200: a refusal is an alert from here on
  std::string host_;       // as asked for, for the refusal
  std::string name_;       // what the ClientHello must name; empty: what it names is then checked
  std::string hello_;      // records of the ClientHello
  AuditLine audit_;
  std::function<void()> done_;
};

}  // namespace sandgate::egress
