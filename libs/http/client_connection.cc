#include "libs/http/client_connection.h"

#include <algorithm>

#include "libs/http/response_reader.h"
#include "libs/http/tls_context.h"

namespace sandgate::http {

using base::Code;
using base::Result;
using base::Status;

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
  Result<Response> result = co_await Talk(channel, call->outgoing, &reusable_);
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
  const Status opened = co_await OpenChannel(*channel_, remote);
  if (!opened.ok()) co_return opened;
  const std::vector<std::string> uris = PeerUris(channel_->tls());
  if (!PeerIsVerified(channel_->tls()) ||
      std::find(uris.begin(), uris.end(), call.options.expected_uri) == uris.end()) {
    co_return Status(Code::kUnauthenticated,
                     "the server's certificate does not name " + call.options.expected_uri);
  }
  channel_->StartReading(ResponseReader::kMaxHeadBytes + 1);
  co_return Status::Ok();
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
