// Tries one TCP connection from the pod's own network, for the operator's isolation probe: the
// question is whether the pod's NetworkPolicy is enforced, so it must fail.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include "libs/api/run_network.h"
#include "libs/base/fd.h"
#include "runner/socket_address.h"

namespace sandgate::runner {

// Connects, says nothing and closes. Blocks, for `timeout` at the most, or until `stop` (a
// descriptor, -1 for none) is readable: then kTimedOut.
api::ProbeOutcome ProbeOnce(const SocketAddress& target, std::chrono::milliseconds timeout,
                            int stop);

// One probe at a time, on a thread that lives as long as it. Thread-safe.
class Prober {
 public:
  Prober();
  ~Prober();  // ends the probe under way, whose callback is still called

  using Callback = std::function<void(api::ProbeOutcome)>;
  // False while another one is under way: `done` is then never called. Else it is called once, on
  // the probe's thread, and must not block.
  bool Start(const SocketAddress& target, std::chrono::milliseconds timeout, Callback done);

 private:
  const base::Fd stop_;  // eventfd
  std::mutex mutex_;
  bool busy_ = false;      // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // guarded by mutex_
};

}  // namespace sandgate::runner
