// What the library's threads and the calling thread share about one exchange.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>

#include "libs/base/status.h"
#include "libs/rest/exchange.h"

namespace sandgate::rest {

// Thread-safe.
class ExchangeState {
 public:
  ExchangeState(size_t max_bytes, bool hold_back) : max_bytes_(max_bytes), hold_back_(hold_back) {}

  enum class Put { kTaken, kTakenButFull, kRefused };

  // From the library's threads.

  // kTakenButFull: read no more until `on_room` of the next Take (or Abandon) ran.
  Put PutBody(const char* data, size_t size, std::function<void()> on_room) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (abandoned_) return Put::kRefused;
    if (!hold_back_ && body_.size() + size > max_bytes_) {
      overflow_ = true;
      return Put::kRefused;
    }
    body_.append(data, size);
    changed_.notify_all();
    if (!hold_back_ || body_.size() < max_bytes_) return Put::kTaken;
    on_room_ = std::move(on_room);
    return Put::kTakenButFull;
  }

  void SetHead(unsigned status, std::chrono::seconds retry_after) {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = status;
    retry_after_ = retry_after;
    changed_.notify_all();
  }

  void Finish(base::Status failure) {
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
    failure_ = overflow_ ? base::Status(base::Code::kResourceExhausted, "the answer is too large")
                         : std::move(failure);
    changed_.notify_all();
  }

  // From the calling thread.

  template <typename Predicate>
  Exchange::Wake Wait(std::chrono::steady_clock::time_point deadline, const std::stop_token& stop,
                      Predicate done) {
    std::unique_lock lock(mutex_);
    const bool woken = changed_.wait_until(lock, stop, deadline, [&] { return done(*this); });
    if (woken) return Exchange::Wake::kProgress;
    return stop.stop_requested() ? Exchange::Wake::kStopped : Exchange::Wake::kDeadline;
  }

  // Nobody reads any more.
  void Abandon() {
    Take([this] { abandoned_ = true; });
  }

  std::string TakeBody() {
    std::string body;
    Take([&] { body = std::exchange(body_, {}); });
    return body;
  }

  template <typename Read>
  auto Locked(Read read) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return read(*this);
  }

  // With the lock held (inside Wait and Locked).
  unsigned status() const { return status_; }
  std::chrono::seconds retry_after() const { return retry_after_; }
  bool over() const { return over_; }
  bool has_body() const { return !body_.empty(); }
  const base::Status& failure() const { return failure_; }

 private:
  template <typename Change>
  void Take(Change change) {
    std::function<void()> on_room;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      change();
      on_room = std::exchange(on_room_, nullptr);
    }
    // Outside the lock: it lets the library go on at once.
    if (on_room) on_room();
  }

  const size_t max_bytes_;
  const bool hold_back_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // All below is guarded by mutex_.
  std::string body_;
  std::function<void()> on_room_;
  unsigned status_ = 0;
  std::chrono::seconds retry_after_{0};
  base::Status failure_;
  bool over_ = false;
  bool overflow_ = false;
  bool abandoned_ = false;
};

}  // namespace sandgate::rest
