// Leader election by a coordination.k8s.io Lease. It is a convenience, not a fence: every
// irreversible act of the operator is a compare-and-swap of its own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "libs/kube/api.h"

namespace sandgate::kube {

struct LeaderOptions {
  std::string ns;
  std::string name;  // of the Lease
  std::string
      identity;  // the pod's name: a container that restarts takes its own lease back at once
  std::chrono::milliseconds lease_duration{15'000};
  std::chrono::milliseconds renew_deadline{10'000};  // not renewed for so long: we stop leading
  std::chrono::milliseconds retry_period{2'000};
};

class LeaderElector {
 public:
  // `on_started` and `on_stopped` run on the elector's thread and must not block: nothing renews
  // the lease meanwhile. `on_stopped` means that the lead was lost (not that Stop was called): the
  // elector is done then, and the process should exit, since its caches may be behind.
  LeaderElector(Api api, LeaderOptions options, std::function<void()> on_started,
                std::function<void()> on_stopped);
  ~LeaderElector();
  void Start();
  // Gives the lease back (holderIdentity "") if we hold it, so that the next takes it at once: end
  // the work first.
  void Stop();
  // By the clock, too: false from `renew_deadline` after the last renewal on, even while a call
  // hangs. Thread-safe.
  bool IsLeader() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::kube
