// Who may connect to the egress proxy now: a few at a time, in the order of their asking. One
// thread.
#pragma once

#include <deque>

#include "libs/tunnel/interrupt.h"

namespace sandgate::runner {

class DialGate {
 public:
  explicit DialGate(size_t places) : free_(places) {}

  // A place; given back by Leave or at its end.
  class Turn {
   public:
    Turn() = default;
    Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() { Leave(); }
    void Leave();
    bool has() const { return gate_ != nullptr; }

   private:
    friend class DialGate;
    explicit Turn(DialGate* gate) : gate_(gate) {}
    DialGate* gate_ = nullptr;
  };

  // Waits for a place; an empty turn when interrupted.
  tunnel::net::awaitable<Turn> Enter(tunnel::Interrupt* interrupt,
                                     tunnel::net::any_io_executor executor);

 private:
  struct Waiter {
    explicit Waiter(const tunnel::net::any_io_executor& executor)
        : event(executor, tunnel::net::steady_timer::time_point::max()) {}
    tunnel::net::steady_timer event;
    bool granted = false;
  };
  void GiveBack();

  size_t free_;
  std::deque<Waiter*> waiters_;
};

}  // namespace sandgate::runner
