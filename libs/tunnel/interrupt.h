// What ends the waits of one session: its deadlines, or somebody's order. One thread: the
// session's own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "libs/egress/protocol.h"
#include "libs/http/asio.h"

namespace sandgate::tunnel {

using egress::Reason;
namespace net = boost::asio;
using boost::system::error_code;
using Tcp = net::ip::tcp;

class Interrupt {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Interrupt(net::any_io_executor executor) : timer_(std::move(executor)) {}

  // From now on waits fail with `reason` after `after`, or when the session's end comes first.
  void Arm(std::chrono::milliseconds after, Reason reason);
  // As Arm, counted from the last Touch().
  void ArmIdle(std::chrono::milliseconds after, Reason reason);
  void Touch() { touched_ = Clock::now(); }
  // The end of the session, whatever else is armed.
  void SetEnd(Clock::time_point end, Reason reason);
  Clock::time_point end() const { return end_; }

  // Every wait fails, now and from now on, until Clear. The first reason stays.
  void Raise(Reason reason);
  bool raised() const { return raised_; }
  Reason reason() const { return reason_; }
  // Forgets what was raised, so that a refusal can still be written.
  void Clear() { raised_ = false; }

  // True when the socket is ready; false when it failed or the session is interrupted.
  net::awaitable<bool> Wait(Tcp::socket& socket, Tcp::socket::wait_type what);
  // True when something else cancelled the timer; false when interrupted. Expiry is the timer's.
  net::awaitable<bool> Wait(net::steady_timer& event);

  // While it lives, Raise calls `cancel`.
  class Watch {
   public:
    Watch(Interrupt* interrupt, std::function<void()> cancel);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    friend class Interrupt;
    Interrupt* const interrupt_;
    const std::function<void()> cancel_;
  };

 private:
  void Start();
  void Fired();

  net::steady_timer timer_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Reason deadline_reason_ = Reason::kInternal;
  Clock::time_point end_ = Clock::time_point::max();
  Reason end_reason_ = Reason::kLifetime;
  Clock::time_point touched_{};
  Clock::duration idle_{0};  // 0: deadline_ stands as it is
  uint64_t number_ = 0;      // of the timer's latest wait: an older one that fired is stale
  // A timer that has fired may be called after its owner is gone.
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
  bool raised_ = false;
  Reason reason_ = Reason::kInternal;
  std::vector<Watch*> watches_;
};

}  // namespace sandgate::tunnel
