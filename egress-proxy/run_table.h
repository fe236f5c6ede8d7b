// What runs have open and have moved, through this proxy. The proxy's only memory, lost without
// harm: a grant's end holds without it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "libs/base/clock.h"

namespace sandgate::egress {

// One run's counts. Thread-safe.
class RunCount {
 public:
  explicit RunCount(uint64_t max_bytes)
      : left_(static_cast<int64_t>(std::min(max_bytes, kMostBytes))) {}

  // False once more bytes than the grant's limit have moved.
  bool Take(uint64_t bytes) {
    return left_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed) >=
           static_cast<int64_t>(bytes);
  }
  bool exhausted() const { return left_.load(std::memory_order_relaxed) <= 0; }

 private:
  static constexpr uint64_t kMostBytes = uint64_t{1} << 62;
  friend class RunTable;
  std::atomic<int64_t> left_;
  size_t open_ = 0;     // guarded by the table's mutex
  base::Time expires_;  // guarded by the table's mutex
};

// Thread-safe.
class RunTable {
 public:
  explicit RunTable(size_t max_connections_per_run) : max_connections_(max_connections_per_run) {}

  // One connection of a run; gives its place back when it goes. Must not outlive the table.
  class Lease {
   public:
    Lease(RunTable* table, std::shared_ptr<RunCount> run) : table_(table), run_(std::move(run)) {}
    ~Lease();
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    RunCount& run() const { return *run_; }

   private:
    RunTable* table_;
    std::shared_ptr<RunCount> run_;
  };

  // nullptr when the run has all its connections open. A run is known by sandbox and run ID; its
  // byte count lives until its grant has expired.
  std::unique_ptr<Lease> Enter(const std::string& sandbox_uid, const std::string& run_id,
                               uint64_t max_bytes, base::Time expires, base::Time now);

  size_t runs() const;

 private:
  void Leave(RunCount* run);
  void Sweep(base::Time now);

  const size_t max_connections_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<RunCount>> runs_;  // guarded by mutex_
  base::Time next_sweep_;                                  // guarded by mutex_
};

}  // namespace sandgate::egress
