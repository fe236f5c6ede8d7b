// The part of a session that says no.
#include "egress-proxy/client_hello.h"
#include "egress-proxy/session.h"

namespace sandgate::egress {
namespace {

std::string RefusalText(Reason reason, const std::string& host,
                        const std::vector<std::string>& allowed) {
  const std::string body = RefusalJson(reason, host, allowed);
  // The reason's word in the status line: many clients show that line and nothing else.
  return "HTTP/1.1 " + std::to_string(ReasonStatus(reason)) + " " + ReasonName(reason) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

}  // namespace

net::awaitable<void> Session::Refuse(Reason reason) {
  const bool silent = !answered_ && ReasonStatus(reason) == 0;
  if (silent) co_return;
  interrupt_.Clear();
  interrupt_.SetEnd(Interrupt::Clock::time_point::max(), reason);
  interrupt_.Arm(kRefusalTimeout, reason);
  const std::vector<std::string> allowed = grant_ ? grant_->domains : std::vector<std::string>();
  const std::string text = answered_ ? FatalAlert(reason) : RefusalText(reason, host_, allowed);
  const bool sent = co_await near_.Write(text);
  if (!sent) co_return;
  co_await near_.EndWriting();
  co_await Linger();
}

// A close with unread bytes would reset the connection, and the refusal would be lost on its way.
net::awaitable<void> Session::Linger() {
  error_code ignored;
  near_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
  BufferPool::Buffer buffer = buffers_->Take();
  for (size_t dropped = 0; dropped < kMaxLingerBytes;) {
    size_t bytes = 0;
    const TlsLeg::Got got = co_await near_.Read(buffer.get(), kSpliceBytes, &bytes);
    if (got != TlsLeg::Got::kBytes) break;
    dropped += bytes;
  }
  buffers_->Give(std::move(buffer));
}

}  // namespace sandgate::egress
