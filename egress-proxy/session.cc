#include "egress-proxy/session.h"

#include "egress-proxy/client_hello.h"
#include "egress-proxy/dialer.h"
#include "libs/base/log.h"
#include "libs/egress/domain.h"
#include "libs/http/tls.h"
#include "libs/http/tls_context.h"
#include "libs/tunnel/splice.h"

namespace sandgate::egress {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";
constexpr size_t kReadBytes = 4 * 1024;

// The UID in the certificate; empty when it names none, or more than one.
std::string SandboxUidOf(SSL* tls) {
  const std::vector<std::string> uris = http::PeerUris(tls);
  const std::string prefix = http::SandboxUri("");
  if (!http::PeerIsVerified(tls) || uris.size() != 1 || !uris[0].starts_with(prefix)) return "";
  return uris[0].substr(prefix.size());
}

}  // namespace

Session::Session(Shared* shared, BufferPool* buffers, Tcp::socket socket,
                 std::unique_ptr<Arrivals::Place> arrival)
    : shared_(shared),
      buffers_(buffers),
      interrupt_(socket.get_executor()),
      near_(std::move(socket), shared->tls(), TlsLeg::Role::kServer, &interrupt_),
      arrival_(std::move(arrival)) {
  error_code ec;
  const Tcp::endpoint peer = near_.socket().remote_endpoint(ec);
  if (!ec) audit_.client = peer.address().to_string();
  near_.socket().set_option(Tcp::no_delay(true), ec);
}

void Session::Start(std::function<void()> done) {
  done_ = std::move(done);
  shared_->metrics->CountOpened();
  net::co_spawn(near_.socket().get_executor(), Run(shared_from_this()), net::detached);
}

net::awaitable<void> Session::Run(std::shared_ptr<Session> self) {
  Reason reason = Reason::kInternal;
  try {
    self->interrupt_.SetEnd(self->began_ + self->shared_->limits.lifetime, Reason::kLifetime);
    reason = co_await self->Talk();
    if (!self->audit_.carried) co_await self->Refuse(reason);
  } catch (const std::exception& error) {  // out of memory or descriptors
    self->audit_.detail = error.what();
  }
  self->Finish(reason);
}

net::awaitable<Reason> Session::Talk() {
  std::optional<Reason> no = co_await Authenticate();
  if (no) co_return *no;
  ConnectRequest request;
  no = co_await ReadRequest(&request);
  if (no) co_return *no;
  host_ = request.host;
  audit_.host = request.name.empty() ? request.host : request.name;
  if (request.problem && request.grant.empty()) co_return *request.problem;
  no = TakeGrant(request.grant);
  if (!no) no = request.problem;
  if (no) co_return *no;
  name_ = request.name;
  if (!request.by_sni) {
    no = co_await Reach(name_);
    if (no) co_return *no;
  }
  no = co_await Answer();
  if (!no) no = co_await ReadHello(false);
  if (!no) no = co_await SendHello();
  if (no) co_return *no;
  const Reason reason = co_await CarryOn();
  co_return reason;
}

Session::Step Session::Authenticate() {
  interrupt_.Arm(kHandshakeTimeout, Reason::kTlsHandshake);
  const bool done = co_await near_.Handshake();
  if (!done) co_return Reason::kTlsHandshake;
  audit_.sandbox_uid = SandboxUidOf(near_.native());
  if (audit_.sandbox_uid.empty()) co_return Reason::kNotASandbox;
  co_return std::nullopt;
}

Session::Step Session::ReadRequest(ConnectRequest* request) {
  interrupt_.Arm(kHeadTimeout, Reason::kTooSlow);
  std::string head;
  size_t end = std::string::npos;
  while (end == std::string::npos) {
    if (head.size() >= kMaxHeadBytes) co_return Reason::kTooLarge;
    const size_t before = head.size();
    head.resize(before + kReadBytes);
    size_t bytes = 0;
    const TlsLeg::Got got = co_await near_.Read(head.data() + before, kReadBytes, &bytes);
    head.resize(before + bytes);
    if (got == TlsLeg::Got::kEnd) co_return Reason::kReset;
    if (got == TlsLeg::Got::kError) co_return Broken(Reason::kReset);
    end = HeadBytes(head);
  }
  *request = ParseConnectRequest(std::string_view(head).substr(0, end));
  // Said even where the request is bad in other ways: two requests were meant.
  if (head.size() > end && request->problem != Reason::kMalformed) {
    request->problem = Reason::kPipelined;
  }
  co_return std::nullopt;
}

std::optional<Reason> Session::TakeGrant(const std::string& token) {
  if (token.empty()) return Reason::kGrantMissing;
  const base::Time now = base::RealClock().Now();
  auto verified = shared_->verifier().Verify(token, now);
  if (const auto* reason = std::get_if<Reason>(&verified)) return *reason;
  Grant& grant = std::get<Grant>(verified);
  audit_.run_id = grant.run_id;
  audit_.name_space = grant.name_space;
  audit_.execution = grant.execution;
  if (grant.sandbox_uid != audit_.sandbox_uid) return Reason::kGrantSandbox;
  grant_ = std::move(grant);
  arrival_.reset();
  const base::Time until = grant_->expires + kGrantClockSkew;
  lease_ = shared_->runs.Enter(grant_->sandbox_uid, grant_->run_id, grant_->max_bytes, until, now);
  if (!lease_) return Reason::kRunConnections;
  if (lease_->run().exhausted()) return Reason::kByteLimit;
  const auto end = Interrupt::Clock::now() + duration_cast<Interrupt::Clock::duration>(until - now);
  if (end < interrupt_.end()) interrupt_.SetEnd(end, Reason::kGrantEnded);
  return std::nullopt;
}

Session::Step Session::Answer() {
  answered_ = true;
  const bool sent = co_await near_.Write(kEstablished);
  if (!sent) co_return Broken(Reason::kReset);
  co_return std::nullopt;
}

net::awaitable<Reason> Session::CarryOn() {
  tunnel::Splice splice;
  splice.tls = &near_;
  splice.plain = far_.get();
  splice.interrupt = &interrupt_;
  splice.buffers = buffers_;
  splice.idle = shared_->limits.idle;
  splice.half_closed_idle = kHalfClosedIdle;
  splice.take = [run = &lease_->run()](size_t bytes) { return run->Take(bytes); };
  const Reason reason = co_await tunnel::Carry(&splice);
  audit_.bytes_up += splice.from_tls;
  audit_.bytes_down += splice.from_plain;
  co_return reason;
}

void Session::Finish(Reason reason) {
  audit_.reason = reason;
  audit_.duration = duration_cast<milliseconds>(Interrupt::Clock::now() - began_);
  shared_->metrics->CountEnded(reason, audit_.carried, audit_.bytes_up, audit_.bytes_down);
  lease_.reset();
  arrival_.reset();
  done_();
  WriteAuditLine(audit_);  // last: whoever reads it finds everything else done
}

}  // namespace sandgate::egress
