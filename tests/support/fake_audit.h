// An audit log in memory.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "libs/audit/log.h"

namespace sandgate::testing {

// Thread-safe.
class FakeAudit final : public audit::Sink {
 public:
  base::Status Append(const audit::Record& record) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!health_.ok()) return health_;
    if (on_append) on_append(record);
    records_.push_back(record);
    return base::Status::Ok();
  }
  base::Status Health() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return health_;
  }

  void SetHealth(base::Status health) {
    const std::lock_guard<std::mutex> lock(mutex_);
    health_ = std::move(health);
  }
  std::vector<audit::Record> records() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return records_;
  }
  // "execution.request execution.judgement"
  std::string Events() {
    std::string events;
    for (const audit::Record& record : records()) {
      events += (events.empty() ? "" : " ") + record.event;
    }
    return events;
  }

  // Before the record is kept.
  std::function<void(const audit::Record&)> on_append;

 private:
  std::mutex mutex_;
  base::Status health_;                 // guarded by mutex_
  std::vector<audit::Record> records_;  // guarded by mutex_
};

}  // namespace sandgate::testing
