#include "runner/relay_session.h"

#include <algorithm>
#include <array>

#include "libs/egress/protocol.h"
#include "libs/http/tls.h"
#include "libs/http/tls_context.h"
#include "libs/tunnel/splice.h"
#include "runner/relay_limits.h"
#include "runner/relay_logic.h"

namespace sandgate::runner {

namespace net = tunnel::net;
using tunnel::error_code;
using tunnel::PlainLeg;
using tunnel::Tcp;
using tunnel::TlsLeg;

namespace {

constexpr size_t kReadBytes = 2 * 1024;
constexpr unsigned kOpen = 200;

bool IsEgressProxy(SSL* tls) {
  const std::vector<std::string> uris = http::PeerUris(tls);
  return http::PeerIsVerified(tls) &&
         std::find(uris.begin(), uris.end(), http::kEgressUri) != uris.end();
}

void Tune(Tcp::socket& socket) {
  error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(net::socket_base::receive_buffer_size(kRelaySocketBytes), ignored);
  socket.set_option(net::socket_base::send_buffer_size(kRelaySocketBytes), ignored);
}

// What the client has been sent is not all there was: a close must not look like an end.
void CloseAsReset(Tcp::socket& socket) {
  error_code ignored;
  socket.set_option(net::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace

RelaySession::RelaySession(RelayShared* shared, Tcp::socket client, Door door, bool too_many)
    : shared_(shared),
      door_(door),
      too_many_(too_many),
      interrupt_(client.get_executor()),
      client_(std::move(client), &interrupt_) {
  Tune(client_.socket());
}

void RelaySession::Start(std::function<void()> done) {
  done_ = std::move(done);
  net::co_spawn(client_.socket().get_executor(), Run(shared_from_this()), net::detached);
}

void RelaySession::Stop() {
  stopped_ = true;
  interrupt_.Raise(Reason::kShutdown);
}

net::awaitable<void> RelaySession::Run(std::shared_ptr<RelaySession> self) {
  try {
    const std::optional<Reason> no = co_await self->Talk();
    if (no) co_await self->Refuse(*no);
  } catch (const std::exception&) {  // out of memory or descriptors
    CloseAsReset(self->client_.socket());
  }
  self->done_();
}

RelaySession::Step RelaySession::Talk() {
  std::optional<Reason> no = co_await ReadRequest();
  if (!no && too_many_) no = Reason::kRunConnections;
  if (!no) no = co_await Ask();
  if (!no && door_ == Door::kTls) no = co_await PassHello();
  if (!no) no = co_await Carry();
  co_return no;
}

// The client speaks first at both doors; nothing is done for one that says nothing.
RelaySession::Step RelaySession::ReadRequest() {
  const bool line = door_ == Door::kProxy;
  interrupt_.Arm(line ? egress::kHeadTimeout : egress::kClientHelloTimeout,
                 line ? Reason::kTooSlow : Reason::kHelloTooSlow);
  std::optional<size_t> end;
  while (!end) {
    const size_t before = first_.size();
    first_.resize(before + kReadBytes);
    size_t bytes = 0;
    const PlainLeg::Got got = co_await client_.Read(first_.data() + before, kReadBytes, &bytes);
    first_.resize(before + bytes);
    if (got == PlainLeg::Got::kEnd) co_return Reason::kReset;
    if (got == PlainLeg::Got::kError) co_return Broken(Reason::kReset);
    if (!line) co_return std::nullopt;
    end = FirstLineBytes(first_);
    if (end.value_or(first_.size()) > egress::kMaxRequestLineBytes) co_return Reason::kTooLarge;
  }
  first_ = WithGrant(first_, *end, shared_->grant);
  co_return std::nullopt;
}

// Until the proxy has been shown the grant.
RelaySession::Step RelaySession::Ask() {
  interrupt_.Arm(kDialTurnTimeout, Reason::kProxyUnreachable);
  const DialGate::Turn turn =
      co_await shared_->gate.Enter(&interrupt_, client_.socket().get_executor());
  if (!turn.has()) co_return Broken(Reason::kProxyUnreachable);
  Tcp::socket socket(client_.socket().get_executor());
  std::optional<Reason> no = co_await Connect(&socket);
  if (no) co_return no;
  proxy_.emplace(std::move(socket), shared_->tls, TlsLeg::Role::kClient, &interrupt_);
  interrupt_.Arm(egress::kHandshakeTimeout, Reason::kProxyUnreachable);
  const bool secure = co_await proxy_->Handshake();
  if (!secure) {
    const bool foreign = !http::WhyUnverified(proxy_->native()).empty();
    co_return foreign ? Reason::kProxyUntrusted : Broken(Reason::kProxyUnreachable);
  }
  if (!IsEgressProxy(proxy_->native())) co_return Reason::kProxyUntrusted;
  if (door_ == Door::kTls) {
    no = co_await AskBySni();
    co_return no;
  }
  const bool sent = co_await proxy_->Write(first_);
  first_ = {};
  if (!sent) co_return Broken(Reason::kProxyUnreachable);
  co_return std::nullopt;
}

RelaySession::Step RelaySession::Connect(Tcp::socket* socket) {
  interrupt_.Arm(kDialTimeout, Reason::kProxyUnreachable);
  if (interrupt_.raised()) co_return interrupt_.reason();
  error_code ec;
  {
    const tunnel::Interrupt::Watch watch(&interrupt_, [socket] {
      error_code ignored;
      socket->close(ignored);
    });
    co_await socket->async_connect(shared_->proxy, net::redirect_error(net::use_awaitable, ec));
  }
  if (ec || interrupt_.raised()) co_return Broken(Reason::kProxyUnreachable);
  Tune(*socket);
  co_return std::nullopt;
}

// Takes the head of the answer away, which the client, speaking TLS, has no use for.
RelaySession::Step RelaySession::AskBySni() {
  const std::string request = egress::BySniRequest(shared_->grant);
  const bool sent = co_await proxy_->Write(request);
  if (!sent) co_return Broken(Reason::kProxyUnreachable);
  interrupt_.Arm(kAnswerTimeout, Reason::kProxyUnreachable);
  std::string answer;
  std::optional<AnswerHead> head;
  while (!head) {
    if (answer.size() >= egress::kMaxHeadBytes) co_return Reason::kProxyUnreachable;
    const size_t before = answer.size();
    answer.resize(before + kReadBytes);
    size_t bytes = 0;
    const TlsLeg::Got got = co_await proxy_->Read(answer.data() + before, kReadBytes, &bytes);
    answer.resize(before + bytes);
    if (got != TlsLeg::Got::kBytes) co_return Broken(Reason::kProxyUnreachable);
    head = ReadAnswerHead(answer);
  }
  // The proxy says nothing in a tunnel before it has the ClientHello.
  if (head->status == kOpen && answer.size() == head->bytes) co_return std::nullopt;
  // Its words are for readers of HTTP; of the client's alerts one means no, the other not now.
  const bool no = head->status >= 400 && head->status < 500;
  co_return no ? Reason::kGrantMissing : Reason::kProxyUnreachable;
}

RelaySession::Step RelaySession::PassHello() {
  const bool sent = co_await proxy_->Write(first_);
  first_ = {};
  if (!sent) co_return Broken(Reason::kProxyUnreachable);
  co_return std::nullopt;
}

RelaySession::Step RelaySession::Carry() {
  ++shared_->counts.carried;
  tunnel::Splice splice;
  splice.tls = &*proxy_;
  splice.plain = &client_;
  splice.interrupt = &interrupt_;
  splice.buffers = &shared_->buffers;
  splice.idle = kRelayIdle;
  splice.half_closed_idle = kRelayHalfClosedIdle;
  const Reason reason = co_await tunnel::Carry(&splice);
  shared_->counts.bytes_up += splice.from_plain;
  shared_->counts.bytes_down += splice.from_tls;
  if (reason == Reason::kClosed || stopped_) co_return std::nullopt;
  if (splice.from_tls == 0) co_return Reason::kProxyUnreachable;
  if (splice.tls_ended) {
    // All that the proxy had to say was passed on, a refusal it may be; the client says more.
    interrupt_.Clear();
    interrupt_.Arm(kRelayRefusalTimeout, reason);
    co_await tunnel::Linger(&client_, &shared_->buffers, kRelayLingerBytes);
    co_return std::nullopt;
  }
  CloseAsReset(client_.socket());
  co_return std::nullopt;
}

net::awaitable<void> RelaySession::Refuse(Reason reason) {
  if (stopped_ || reason == Reason::kReset) co_return;
  ++shared_->counts.refused;
  interrupt_.Clear();
  interrupt_.Arm(kRelayRefusalTimeout, reason);
  const std::string text =
      door_ == Door::kTls ? egress::RefusalAlert(reason) : egress::RefusalAnswer(reason, "", {});
  const bool sent = co_await client_.Write(text);
  if (!sent) co_return;
  client_.EndWriting();
  co_await tunnel::Linger(&client_, &shared_->buffers, kRelayLingerBytes);
}

}  // namespace sandgate::runner
