#include "api-gateway/waiters.h"

namespace sandgate::gateway {

Waiters::Waiters(size_t max_entries, Callbacks callbacks, const base::Clock& clock)
    : callbacks_(std::move(callbacks)),
      clock_(clock),
      table_(max_entries),
      thread_([this] { Run(); }) {}

Waiters::~Waiters() {
  Stop();
}

std::optional<WaitId> Waiters::Add(const kube::Key& key, PendingPtr call,
                                   std::chrono::seconds wait) {
  std::optional<WaitId> id;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return std::nullopt;
    id = table_.Add(key, clock_.MonotonicNow() + wait);
    if (id) calls_[*id] = std::move(call);
  }
  wake_.notify_one();
  return id;
}

PendingPtr Waiters::Find(WaitId id) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second;
}

PendingPtr Waiters::Take(WaitId id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!table_.Remove(id)) return nullptr;
  return calls_.extract(id).mapped();
}

void Waiters::Look(const std::vector<WaitId>& ids) {
  for (const WaitId id : ids) {
    if (!callbacks_.look(id)) LookFailed(id);
  }
}

void Waiters::Wake(const kube::Key& key) {
  std::vector<WaitId> ids;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ids = table_.Wake(key);
  }
  Look(ids);
}

void Waiters::WakeOthers(const std::set<kube::Key>& active) {
  std::vector<WaitId> ids;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ids = table_.WakeOthers(active);
  }
  Look(ids);
}

bool Waiters::LookEnded(WaitId id) {
  bool again = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    again = table_.LookEnded(id, clock_.MonotonicNow());
  }
  wake_.notify_one();
  return again;
}

void Waiters::LookFailed(WaitId id) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    table_.LookFailed(id, clock_.MonotonicNow());
  }
  wake_.notify_one();
}

size_t Waiters::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return table_.size();
}

std::vector<PendingPtr> Waiters::Stop() {
  std::vector<PendingPtr> left;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    table_.RemoveAll();
    for (auto& [id, call] : calls_) left.push_back(std::move(call));
    calls_.clear();
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  return left;
}

void Waiters::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    const auto next = table_.NextDue();
    if (!next) {
      wake_.wait(lock);
    } else if (*next > clock_.MonotonicNow()) {
      wake_.wait_until(lock, *next);
    }
    if (stopping_) return;
    const WaitTable::Due due = table_.TakeDue(clock_.MonotonicNow());
    std::vector<PendingPtr> expired;
    for (const WaitId id : due.expired) expired.push_back(calls_.extract(id).mapped());
    lock.unlock();
    for (PendingPtr& call : expired) callbacks_.expired(std::move(call));
    Look(due.look);
    lock.lock();
  }
}

}  // namespace sandgate::gateway
