#include "libs/http/server_connection.h"

#include <algorithm>
#include <exception>

#include "libs/base/log.h"
#include "libs/http/message_format.h"
#include "libs/http/tls_context.h"

namespace sandgate::http {
namespace {

// How long a client may take to read a last answer and close.
constexpr std::chrono::milliseconds kLingerTimeout{2'000};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// One request's share of ServerShared::unread_bytes; given back when it has been read, or not.
class Share {
 public:
  explicit Share(const ServerShared& shared) : shared_(shared) {}
  ~Share() { shared_.unread_bytes -= bytes_; }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  // False: all requests together have too much.
  bool Take(size_t bytes) {
    bytes_ += bytes;
    return shared_.unread_bytes.fetch_add(bytes) + bytes <= shared_.options.max_unread_bytes;
  }

 private:
  const ServerShared& shared_;
  size_t bytes_ = 0;
};

std::string AddressOf(const Tcp::socket& socket) {
  error_code ec;
  const Tcp::endpoint remote = socket.remote_endpoint(ec);
  if (ec) return "unknown";
  const std::string host = remote.address().to_string();
  const std::string port = std::to_string(remote.port());
  return remote.address().is_v6() ? '[' + host + "]:" + port : host + ':' + port;
}

// However the answering ends, an exception included: no Responder may reach this connection later.
class ExchangeCloser {
 public:
  explicit ExchangeCloser(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~ExchangeCloser() { exchange_->Close(true); }
  ExchangeCloser(const ExchangeCloser&) = delete;
  ExchangeCloser& operator=(const ExchangeCloser&) = delete;

 private:
  const std::shared_ptr<Exchange> exchange_;
};

}  // namespace

ServerConnection::ServerConnection(std::shared_ptr<const ServerShared> shared, Tcp::socket socket,
                                   std::shared_ptr<TlsContext> context)
    : shared_(std::move(shared)),
      channel_(std::make_shared<Channel>(std::move(socket), std::move(context),
                                         Channel::Role::kServer)) {}

void ServerConnection::Start(std::function<void()> done) {
  net::co_spawn(channel_->executor(), Run(shared_from_this()),
                [channel = channel_, done = std::move(done)](std::exception_ptr failure) {
                  if (failure) base::LogError("a connection ended by an exception");
                  channel->Close();
                  done();
                });
}

void ServerConnection::PostFinish() {
  net::post(channel_->executor(), [self = shared_from_this()] {
    self->finishing_ = true;
    if (self->idle_) self->channel_->Close();
  });
}

void ServerConnection::PostAbort() {
  channel_->PostClose();
}

net::awaitable<void> ServerConnection::Run(std::shared_ptr<ServerConnection> self) {
  Channel& channel = *self->channel_;
  const ServerOptions& options = self->shared_->options;
  self->peer_.address = AddressOf(channel.socket());
  error_code ignored;
  channel.socket().set_option(Tcp::no_delay(true), ignored);
  channel.SetDeadline(options.handshake_timeout);
  const error_code failed = co_await channel.Handshake();
  if (!failed && self->TakeIdentity()) {
    channel.StartReading(options.max_header_bytes + 1);  // so that too much is seen
    bool more = true;
    while (more) more = co_await self->ServeOne();
  }
  co_await channel.Linger(kLingerTimeout);
}

bool ServerConnection::TakeIdentity() {
  SSL* const tls = channel_->tls();
  if (tls == nullptr) return true;
  peer_.verified = PeerIsVerified(tls);
  if (peer_.verified) peer_.uris = PeerUris(tls);
  // The handshake has refused the others already; said again where it is relied upon.
  return peer_.verified || shared_->options.server_tls.client_ca_pem.empty();
}

net::awaitable<bool> ServerConnection::ServeOne() {
  RequestReader reader({shared_->options.max_header_bytes, shared_->options.max_body_bytes});
  if (!co_await ReadRequest(reader)) co_return false;
  keep_alive_ = reader.keep_alive();
  const bool http11 = reader.http11();
  Request request = reader.Take();
  const bool head_only = request.method == "HEAD";
  const std::shared_ptr<Exchange> exchange = Dispatch(std::move(request));
  const ExchangeCloser closer(exchange);
  const bool answered = co_await Answer(exchange, head_only, http11);
  if (answered) exchange->Close(false);
  const bool more = answered && keep_alive_ && !finishing_;
  co_return more;
}

net::awaitable<bool> ServerConnection::ReadRequest(RequestReader& reader) {
  using State = RequestReader::State;
  bool continued = false;
  Share share(*shared_);
  idle_ = true;
  channel_->SetDeadline(shared_->options.idle_timeout);
  while (true) {
    const size_t taken = reader.Feed(channel_->data());
    channel_->Consume(taken);
    if (!share.Take(taken)) {
      // Named: GCC 12 destroys a temporary in a co_await expression twice.
      const RequestReader::Refusal overloaded{503, "Overloaded", "too much at once; try again"};
      co_return co_await RefuseRequest(overloaded);
    }
    if (idle_ && reader.started()) {
      idle_ = false;
      channel_->SetDeadline(shared_->options.read_timeout);
    }
    if (reader.state() == State::kRefused) co_return co_await RefuseRequest(reader.refusal());
    if (reader.state() == State::kDone) break;
    if (reader.wants_continue() && !continued) {
      continued = true;
      const error_code failed = co_await channel_->Write(kContinue);
      if (failed) co_return false;
    }
    if (channel_->closed() || channel_->at_end() || (finishing_ && idle_)) co_return false;
    co_await channel_->WaitEvent();
  }
  channel_->ClearDeadline();
  co_return !channel_->closed();
}

std::shared_ptr<Exchange> ServerConnection::Dispatch(Request request) {
  request.peer = peer_;
  auto exchange = std::make_shared<Exchange>([channel = channel_] { channel->PostNotify(); });
  const Responder responder = MakeResponder(exchange);
  try {
    shared_->handler(std::move(request), responder);
  } catch (const std::exception& failure) {
    base::LogError("a request handler threw", {{"error", failure.what()}});
    responder.Send(ErrorResponse(500, "Internal", "internal error"));
  } catch (...) {
    base::LogError("a request handler threw");
    responder.Send(ErrorResponse(500, "Internal", "internal error"));
  }
  return exchange;
}

// True when the whole answer has left.
net::awaitable<bool> ServerConnection::Answer(const std::shared_ptr<Exchange>& exchange,
                                              bool head_only, bool http11) {
  using Kind = Exchange::Step::Kind;
  bool streaming = false;
  while (true) {
    Exchange::Step step = exchange->Next();
    std::string bytes;
    switch (step.kind) {
      case Kind::kNothing:
        if (channel_->closed() || channel_->at_end()) co_return false;
        co_await channel_->WaitEvent();
        continue;
      case Kind::kResponse:
        co_return co_await WriteResponse(std::move(step.response), head_only);
      case Kind::kAbandoned:
        if (streaming) co_return false;  // cut off: the client must not take it for whole
        co_return co_await WriteResponse(ErrorResponse(500, "Internal", "no answer was given"),
                                         head_only);
      case Kind::kHead:
        streaming = BeginHead(step.response, head_only, http11, &bytes);
        break;
      case Kind::kChunk:
        bytes = http11 ? FormatChunk(step.chunk) : step.chunk;
        break;
      case Kind::kEnd:
        bytes = http11 ? kLastChunk : std::string_view();
        co_return co_await WriteTimed(bytes);
    }
    const bool written = co_await WriteTimed(bytes);
    if (step.kind == Kind::kChunk) exchange->Flushed(step.chunk.size());
    if (!written || !streaming) co_return written;
  }
}

// Formats a stream's head; false when no stream follows it.
bool ServerConnection::BeginHead(const Response& response, bool head_only, bool http11,
                                 std::string* bytes) {
  if (!http11) keep_alive_ = false;
  const Framing framing = http11 ? Framing::kChunked : Framing::kUntilClose;
  base::Result<std::string> head = FormatResponseHead(response, framing, keep_alive_);
  if (head.ok()) {
    *bytes = std::move(head).value();
    return !head_only && !HasNoBody(response.status);
  }
  base::LogError("a handler's answer was refused", {{"error", head.status().message()}});
  const Response error = ErrorResponse(500, "Internal", "internal error");
  keep_alive_ = false;
  *bytes = *FormatResponseHead(error, Framing::kLength, false) + (head_only ? "" : error.body);
  return false;
}

net::awaitable<bool> ServerConnection::WriteResponse(Response response, bool head_only) {
  if (finishing_) keep_alive_ = false;
  base::Result<std::string> head = FormatResponseHead(response, Framing::kLength, keep_alive_);
  if (!head.ok()) {
    base::LogError("a handler's answer was refused", {{"error", head.status().message()}});
    response = ErrorResponse(500, "Internal", "internal error");
    head = FormatResponseHead(response, Framing::kLength, keep_alive_);
  }
  std::string bytes = std::move(head).value();
  if (!head_only && !HasNoBody(response.status)) bytes += response.body;
  co_return co_await WriteTimed(bytes);
}

net::awaitable<bool> ServerConnection::WriteTimed(std::string_view bytes) {
  if (channel_->closed()) co_return false;
  channel_->SetDeadline(shared_->options.write_timeout);
  const error_code failed = co_await channel_->Write(bytes);
  channel_->ClearDeadline();
  co_return !failed;
}

// Always false: what follows on this connection cannot be trusted to be a request.
net::awaitable<bool> ServerConnection::RefuseRequest(const RequestReader::Refusal& refusal) {
  keep_alive_ = false;
  co_await WriteResponse(ErrorResponse(refusal.status, refusal.code, refusal.message), false);
  co_return false;
}

}  // namespace sandgate::http
