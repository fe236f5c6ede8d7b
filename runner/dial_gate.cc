#include "runner/dial_gate.h"

namespace sandgate::runner {

namespace net = tunnel::net;

void DialGate::Turn::Leave() {
  if (gate_ != nullptr) std::exchange(gate_, nullptr)->GiveBack();
}

void DialGate::GiveBack() {
  if (waiters_.empty()) {
    ++free_;
    return;
  }
  Waiter* const next = waiters_.front();
  waiters_.pop_front();
  next->granted = true;
  next->event.cancel();
}

net::awaitable<DialGate::Turn> DialGate::Enter(tunnel::Interrupt* interrupt,
                                               net::any_io_executor executor) {
  if (free_ > 0) {
    --free_;
    co_return Turn(this);
  }
  Waiter waiter(executor);
  waiters_.push_back(&waiter);
  co_await interrupt->Wait(waiter.event);
  if (!waiter.granted) {
    std::erase(waiters_, &waiter);
    co_return Turn();
  }
  co_return Turn(this);
}

}  // namespace sandgate::runner
