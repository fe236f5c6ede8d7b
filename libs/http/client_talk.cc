#include "libs/http/client_talk.h"

#include "libs/http/response_reader.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Result;
using base::Status;

bool IsTlsRefusal(const error_code& ec) {
  return ec.category() == net::error::get_ssl_category();
}

// The request was sent, at least in part: it may have had its effect.
Status WhyEnded(const Channel& channel, const std::string& detail) {
  if (channel.timed_out()) return Status(Code::kDeadlineExceeded, "no answer in time");
  if (channel.received() == 0 && channel.at_end() && IsTlsRefusal(channel.end())) {
    // TLS 1.3 tells a client that its certificate is refused only after the handshake.
    return Status(Code::kUnauthenticated, "the server refused: " + channel.end().message());
  }
  return Status(Code::kInternal, detail);
}

}  // namespace

net::awaitable<Status> OpenChannel(Channel& channel, Tcp::endpoint remote) {
  error_code ec;
  co_await channel.socket().async_connect(remote, net::redirect_error(net::use_awaitable, ec));
  if (channel.timed_out()) co_return Status(Code::kUnavailable, "connecting: timed out");
  if (ec) co_return Status(Code::kUnavailable, "connecting: " + ec.message());
  error_code ignored;
  channel.socket().set_option(Tcp::no_delay(true), ignored);
  ec = co_await channel.Handshake();
  if (channel.timed_out()) co_return Status(Code::kUnavailable, "TLS handshake: timed out");
  if (ec) {
    co_return Status(IsTlsRefusal(ec) ? Code::kUnauthenticated : Code::kUnavailable,
                     "TLS handshake: " + ec.message());
  }
  co_return Status::Ok();
}

net::awaitable<Result<Response>> Talk(Channel& channel, const Outgoing& outgoing, bool* reusable) {
  // A server may answer (413) and stop reading before it has the whole request, so a failed write
  // is no verdict: what was received is.
  co_await channel.Write(outgoing.bytes);
  ResponseReader reader(outgoing.to_head, outgoing.max_response_bytes);
  while (true) {
    channel.Consume(reader.Feed(channel.data()));
    if (channel.at_end() && channel.end() == net::error::eof) reader.End();
    if (reader.state() != ResponseReader::State::kReading) break;
    if (channel.closed() || channel.at_end()) {
      co_return WhyEnded(channel, channel.end().message());
    }
    co_await channel.WaitEvent();
  }
  if (reader.state() == ResponseReader::State::kFailed) {
    co_return WhyEnded(channel, reader.failure());
  }
  *reusable = reader.keep_alive() && channel.data().empty() && !channel.at_end();
  co_return reader.Take();
}

}  // namespace sandgate::http
