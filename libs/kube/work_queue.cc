#include "libs/kube/work_queue.h"

#include <condition_variable>
#include <mutex>
#include <random>

#include "libs/kube/work_queue_state.h"

namespace sandgate::kube {
namespace {

// An idle worker looks up this often at least, whatever the clock says.
constexpr std::chrono::hours kMaxSleep{1};

}  // namespace

class WorkQueue::Impl {
 public:
  explicit Impl(const base::Clock& clock) : clock_(clock) {}

  template <typename Change>
  void Locked(Change change) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      change(&state_, clock_.MonotonicNow());
    }
    changed_.notify_all();
  }

  double Random() { return std::uniform_real_distribution<double>(0, 1)(engine_); }

  std::optional<Key> Get(bool block) {
    std::unique_lock lock(mutex_);
    while (!shut_down_) {
      const base::MonotonicTime now = clock_.MonotonicNow();
      if (std::optional<Key> key = state_.Take(now)) return key;
      if (!block) return std::nullopt;
      const std::optional<base::MonotonicTime> due = state_.NextDue();
      base::Duration sleep = kMaxSleep;
      if (due && *due - now < sleep) sleep = *due - now;
      changed_.wait_for(lock, sleep);
    }
    return std::nullopt;
  }

  void ShutDown() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      shut_down_ = true;
    }
    changed_.notify_all();
  }

  size_t depth() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return state_.depth();
  }

 private:
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  WorkQueueState state_;                            // guarded by mutex_
  std::mt19937_64 engine_{std::random_device{}()};  // guarded by mutex_
  bool shut_down_ = false;                          // guarded by mutex_
};

WorkQueue::WorkQueue(const base::Clock& clock) : impl_(std::make_unique<Impl>(clock)) {}
WorkQueue::~WorkQueue() = default;

void WorkQueue::Add(const Key& key) {
  impl_->Locked([&](WorkQueueState* state, base::MonotonicTime) { state->Add(key); });
}
void WorkQueue::AddAfter(const Key& key, base::Duration delay) {
  impl_->Locked([&](WorkQueueState* state, base::MonotonicTime now) {
    if (delay <= base::Duration::zero()) {
      state->Add(key);
    } else {
      state->AddAt(key, now + delay);
    }
  });
}
void WorkQueue::AddRateLimited(const Key& key) {
  impl_->Locked([&](WorkQueueState* state, base::MonotonicTime now) {
    state->AddRateLimited(key, now, impl_->Random());
  });
}
void WorkQueue::Forget(const Key& key) {
  impl_->Locked([&](WorkQueueState* state, base::MonotonicTime) { state->Forget(key); });
}
std::optional<Key> WorkQueue::Get() {
  return impl_->Get(/*block=*/true);
}
std::optional<Key> WorkQueue::TryGet() {
  return impl_->Get(/*block=*/false);
}
void WorkQueue::Done(const Key& key) {
  impl_->Locked([&](WorkQueueState* state, base::MonotonicTime) { state->Done(key); });
}
void WorkQueue::ShutDown() {
  impl_->ShutDown();
}
size_t WorkQueue::depth() const {
  return impl_->depth();
}

}  // namespace sandgate::kube
