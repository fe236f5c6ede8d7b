// Deletes finished Executions when their time is over. They are not in any cache, so it looks.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "libs/base/clock.h"
#include "operator/cluster.h"
#include "operator/settings.h"

namespace sandgate::op {

class Janitor {
 public:
  Janitor(Cluster& cluster, const Settings& settings, const base::Clock& clock)
      : cluster_(cluster), settings_(settings), clock_(clock) {}

  // Looks at once, then every ten minutes, page by page.
  void Start();
  void Stop();
  // One look over everything. Public for tests.
  base::Status Sweep();

 private:
  Cluster& cluster_;
  const Settings& settings_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace sandgate::op
