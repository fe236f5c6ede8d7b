#include "libs/http/client_connection.h"

#include <algorithm>

#include "libs/http/response_reader.h"
#include "libs/http/tls_context.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Result;
using base::Status;

bool IsTlsRefusal(const error_code& ec) {
  return ec.category() == net::error::get_ssl_category();
}

}  // namespace

net::awaitable<void> ClientConnection::Run(std::shared_ptr<ClientConnection> self, CallPtr first) {
  CallPtr call = std::move(first);
  bool kept = false;
  while (call) {
    const bool keep = co_await self->Perform(std::move(call), kept);
    if (!keep) break;
    kept = true;
    call = co_await self->NextCall();
  }
  self->channel_->Close();
}

// True when the connection can take another call.
net::awaitable<bool> ClientConnection::Perform(CallPtr call, bool kept) {
  Channel& channel = *channel_;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      call->deadline - std::chrono::steady_clock::now());
  reusable_ = false;
  if (kept && (channel.closed() || channel.at_end() || !channel.data().empty())) {
    owner_->RetryFresh(std::move(call));  // died while idle: nothing was sent
    co_return false;
  }
  channel.SetDeadline(std::max(left, std::chrono::milliseconds(0)));
  if (!kept) {
    const Status connected = co_await Connect(*call);
    if (!connected.ok()) {
      owner_->Finish(std::move(call), connected);
      co_return false;
    }
  }
  received_before_ = channel.received();
  Result<Response> result = co_await Talk(*call);
  channel.ClearDeadline();
  const bool unheard = !result.ok() && channel.received() == received_before_;
  if (kept && unheard && call->repeatable && !call->retried && !channel.timed_out()) {
    owner_->RetryFresh(std::move(call));
    co_return false;
  }
  bool keep = reusable_;
  if (keep) {  // before the caller hears of it: its next call finds the connection
    channel.SetDeadline(idle_timeout_);
    keep = owner_->Park(shared_from_this());
  }
  owner_->Finish(std::move(call), std::move(result));
  co_return keep;
}

// Connected, TLS spoken, the right name proved: or nothing was sent.
net::awaitable<Status> ClientConnection::Connect(const PendingCall& call) {
  error_code ec;
  const net::ip::address address = net::ip::make_address(call.endpoint.address, ec);
  if (ec) co_return Status(Code::kInvalidArgument, "not an IP address: " + call.endpoint.address);
  const Tcp::endpoint remote(address, call.endpoint.port);
  co_await channel_->socket().async_connect(remote, net::redirect_error(net::use_awaitable, ec));
  if (channel_->timed_out()) co_return Status(Code::kUnavailable, "connecting: timed out");
  if (ec) co_return Status(Code::kUnavailable, "connecting: " + ec.message());
  error_code ignored;
  channel_->socket().set_option(Tcp::no_delay(true), ignored);
  ec = co_await channel_->Handshake();
  if (channel_->timed_out()) co_return Status(Code::kUnavailable, "TLS handshake: timed out");
  if (ec) {
    co_return Status(IsTlsRefusal(ec) ? Code::kUnauthenticated : Code::kUnavailable,
                     "TLS handshake: " + ec.message());
  }
  const std::vector<std::string> uris = PeerUris(channel_->tls());
  if (!PeerIsVerified(channel_->tls()) ||
      std::find(uris.begin(), uris.end(), call.options.expected_uri) == uris.end()) {
    co_return Status(Code::kUnauthenticated,
                     "the server's certificate does not name " + call.options.expected_uri);
  }
  channel_->StartReading(ResponseReader::kMaxHeadBytes + 1);
  co_return Status::Ok();
}

net::awaitable<Result<Response>> ClientConnection::Talk(const PendingCall& call) {
  Channel& channel = *channel_;
  // A server may answer (413) and stop reading before it has the whole request, so a failed write
  // is no verdict: what was received is.
  co_await channel.Write(call.bytes);
  ResponseReader reader(call.to_head, call.options.max_response_bytes);
  while (true) {
    channel.Consume(reader.Feed(channel.data()));
    if (channel.at_end() && channel.end() == net::error::eof) reader.End();
    if (reader.state() != ResponseReader::State::kReading) break;
    if (channel.closed() || channel.at_end()) co_return WhyEnded(channel.end().message());
    co_await channel.WaitEvent();
  }
  if (reader.state() == ResponseReader::State::kFailed) co_return WhyEnded(reader.failure());
  reusable_ = reader.keep_alive() && channel.data().empty() && !channel.at_end();
  co_return reader.Take();
}

// The request was sent, at least in part: it may have had its effect.
Status ClientConnection::WhyEnded(const std::string& detail) const {
  if (channel_->timed_out()) return Status(Code::kDeadlineExceeded, "no answer in time");
  if (channel_->received() == 0 && channel_->at_end() && IsTlsRefusal(channel_->end())) {
    // TLS 1.3 tells a client that its certificate is refused only after the handshake.
    return Status(Code::kUnauthenticated, "the server refused: " + channel_->end().message());
  }
  return Status(Code::kInternal, detail);
}

// Waits in the pool; nullptr when the connection's life is over.
net::awaitable<CallPtr> ClientConnection::NextCall() {
  while (true) {
    CallPtr call = owner_->TakeAssigned(*this);
    if (call) co_return call;
    if (channel_->closed() || channel_->at_end() || !channel_->data().empty()) break;
    co_await channel_->WaitEvent();
  }
  owner_->Unpark(shared_from_this());
  co_return owner_->TakeAssigned(*this);  // one that came in the last moment is not lost
}

}  // namespace sandgate::http
