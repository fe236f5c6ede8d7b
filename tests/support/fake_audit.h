// An audit log in memory.
#pragma once

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
    if (refusing_) return base::Status(base::Code::kUnavailable, "refused (by the test)");
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
  // Records are refused although Health was good a moment ago.
  void SetRefusing(bool refusing) {
    const std::lock_guard<std::mutex> lock(mutex_);
    refusing_ = refusing;
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

 private:
  std::mutex mutex_;
  base::Status health_;                 // guarded by mutex_
  bool refusing_ = false;               // guarded by mutex_
  std::vector<audit::Record> records_;  // guarded by mutex_
};

}  // namespace sandgate::testing
