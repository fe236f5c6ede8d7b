// The runner's HTTP interface (libs/api/runner_protocol.h) over its table of runs.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "libs/api/runner_protocol.h"
#include "libs/http/server.h"
#include "runner/prober.h"
#include "runner/run_supervisor.h"
#include "runner/run_table_logic.h"
#include "runner/wait_list.h"

namespace sandgate::runner {

// Answers only a client that has proved to be the operator (kOperatorUri): 403 to all others.
// Handle is thread-safe and never blocks; runs are made by one thread of its own.
class RunService {
 public:
  // `supervisor` is used by this object alone. `on_failure` is called when processes of a run
  // outlive it: the sandbox is then no good any more.
  RunService(api::RunnerInfo info, RunTableLimits limits, std::unique_ptr<RunSupervisor> supervisor,
             std::function<void()> on_failure);
  ~RunService();  // as Stop

  void Handle(http::Request request, http::Responder responder);

  // Ends the present run (SIGTERM, its grace, SIGKILL) and starts no other. Waits for its end.
  void Stop();

 private:
  http::Response Post(const std::string& run_id, const http::Request& request);
  void Get(const std::string& run_id, const http::Request& request, http::Responder responder);
  http::Response Cancel(const std::string& run_id);
  http::Response Delete(const std::string& run_id);
  void Probe(const http::Request& request, http::Responder responder);
  void Dispatch(const http::Request& request, http::Responder responder);
  http::Response Describe(const std::string& run_id) const;  // needs mutex_
  void Answer(const std::vector<WaitList::Waiter>& waiters, std::unique_lock<std::mutex>& lock);
  void Work();
  void ExpireWaiters();

  const api::RunnerInfo info_;
  const std::unique_ptr<RunSupervisor> supervisor_;
  const std::function<void()> on_failure_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  RunTable table_;  // guarded by mutex_, as all below
  WaitList waiters_;
  bool stopping_ = false;

  std::thread worker_, timer_;
  Prober prober_;
};

}  // namespace sandgate::runner
