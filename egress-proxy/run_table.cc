#include "egress-proxy/run_table.h"

#include <algorithm>

namespace sandgate::egress {
namespace {

constexpr std::chrono::seconds kSweepEvery{30};

}  // namespace

RunTable::Lease::~Lease() {
  if (run_) table_->Leave(run_.get());
}

std::unique_ptr<RunTable::Lease> RunTable::Enter(const std::string& sandbox_uid,
                                                 const std::string& run_id, uint64_t max_bytes,
                                                 base::Time expires, base::Time now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Sweep(now);
  std::shared_ptr<RunCount>& run = runs_[sandbox_uid + "/" + run_id];
  if (!run) run = std::make_shared<RunCount>(max_bytes);
  run->expires_ = std::max(run->expires_, expires);
  if (run->open_ >= max_connections_) return nullptr;
  ++run->open_;
  return std::make_unique<Lease>(this, run);
}

void RunTable::Leave(RunCount* run) {
  const std::lock_guard<std::mutex> lock(mutex_);
  --run->open_;
}

void RunTable::Sweep(base::Time now) {
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepEvery;
  std::erase_if(runs_, [now](const auto& entry) {
    return entry.second->open_ == 0 && entry.second->expires_ <= now;
  });
}

size_t RunTable::runs() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return runs_.size();
}

}  // namespace sandgate::egress
