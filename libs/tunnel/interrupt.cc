#include "libs/tunnel/interrupt.h"

#include <algorithm>

namespace sandgate::tunnel {

Interrupt::Watch::Watch(Interrupt* interrupt, std::function<void()> cancel)
    : interrupt_(interrupt), cancel_(std::move(cancel)) {
  interrupt_->watches_.push_back(this);
}

Interrupt::Watch::~Watch() {
  std::erase(interrupt_->watches_, this);
}

void Interrupt::Arm(std::chrono::milliseconds after, Reason reason) {
  idle_ = Clock::duration(0);
  deadline_ = Clock::now() + after;
  deadline_reason_ = reason;
  Start();
}

void Interrupt::ArmIdle(std::chrono::milliseconds after, Reason reason) {
  Touch();
  Arm(after, reason);
  idle_ = after;
}

void Interrupt::SetEnd(Clock::time_point end, Reason reason) {
  end_ = end;
  end_reason_ = reason;
  Start();
}

void Interrupt::Start() {
  const uint64_t number = ++number_;
  timer_.expires_at(std::min(deadline_, end_));
  timer_.async_wait([this, number, alive = std::weak_ptr<char>(alive_)](error_code ec) {
    if (!ec && !alive.expired() && number == number_) Fired();
  });
}

// A connection that moves bytes moves its idle deadline only when the old one fires: no timer is
// touched for each buffer.
void Interrupt::Fired() {
  const Clock::time_point now = Clock::now();
  if (now >= end_) return Raise(end_reason_);
  if (idle_.count() > 0 && now < touched_ + idle_) {
    deadline_ = touched_ + idle_;
    return Start();
  }
  Raise(deadline_reason_);
}

void Interrupt::Raise(Reason reason) {
  if (raised_) return;
  raised_ = true;
  reason_ = reason;
  const std::vector<Watch*> watches = watches_;  // a cancel never ends a watch: that comes later
  for (const Watch* watch : watches) watch->cancel_();
}

net::awaitable<bool> Interrupt::Wait(Tcp::socket& socket, Tcp::socket::wait_type what) {
  if (raised_) co_return false;
  error_code ec;
  const Watch watch(this, [&socket] {
    error_code ignored;
    socket.cancel(ignored);
  });
  co_await socket.async_wait(what, net::redirect_error(net::use_awaitable, ec));
  co_return !ec && !raised_;
}

net::awaitable<bool> Interrupt::Wait(net::steady_timer& event) {
  if (raised_) co_return false;
  error_code ignored;
  const Watch watch(this, [&event] { event.cancel(); });
  co_await event.async_wait(net::redirect_error(net::use_awaitable, ignored));
  co_return !raised_;
}

}  // namespace sandgate::tunnel
