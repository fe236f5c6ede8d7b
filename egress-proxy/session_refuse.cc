// The part of a session that says no.
#include "egress-proxy/session.h"
#include "libs/tunnel/splice.h"

namespace sandgate::egress {

net::awaitable<void> Session::Refuse(Reason reason) {
  const bool silent = !answered_ && ReasonStatus(reason) == 0;
  if (silent) co_return;
  interrupt_.Clear();
  interrupt_.SetEnd(Interrupt::Clock::time_point::max(), reason);
  interrupt_.Arm(kRefusalTimeout, reason);
  const std::vector<std::string> allowed = grant_ ? grant_->domains : std::vector<std::string>();
  const std::string text = answered_ ? RefusalAlert(reason) : RefusalAnswer(reason, host_, allowed);
  const bool sent = co_await near_.Write(text);
  if (!sent) co_return;
  co_await near_.EndWriting();
  error_code ignored;
  near_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
  co_await tunnel::Linger(&near_, buffers_, kMaxLingerBytes);
}

}  // namespace sandgate::egress
