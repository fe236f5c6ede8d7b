// Carries out what execution_logic decides: gathers what is known, asks for the plan, does it.
#pragma once

#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libs/kube/work_queue.h"
#include "operator/approval_store.h"
#include "operator/execution_logic.h"
#include "operator/execution_trail.h"
#include "operator/history_reader.h"
#include "operator/sandbox_controller.h"

namespace sandgate::op {

// What is worth counting. Called on worker threads.
struct ExecutionObserver {
  std::function<void(const api::Execution& before, const api::ExecutionStatus& after)> finished;
  ApprovalObserver approvals;
};

// Thread-safe. Start and Stop once each.
class ExecutionController {
 public:
  // `sandboxes` is woken when an Execution's end may free a sandbox's clock.
  ExecutionController(ControllerParts parts, kube::WorkQueue& queue, ExecutionObserver observer);

  void Start(int workers);
  void Stop();

  // One pass over one Execution. Public for the simulator.
  base::Status Reconcile(const kube::Key& key);
  // It left the active ones, finished or deleted: a run that still goes on is ended. Never blocks.
  void Left(const api::Execution& last);

 private:
  static constexpr size_t kStripes = 64;

  void Work();
  bool Asks(const api::Execution& execution);
  Load Measure(const api::Execution& execution);
  std::optional<RunPlace> PlaceOf(const api::Execution& execution, const api::Sandbox* sandbox);
  // `network`: of a run that starts and was granted some.
  base::Status Apply(const kube::Key& key, const ExecutionObserved& seen,
                     const ExecutionAction& action, std::optional<api::RunNetwork> network);
  base::Result<std::optional<api::RunNetwork>> Network(const ExecutionAction& action);
  void Start(const kube::Key& key, const api::Execution& execution, const Admitted& admitted,
             std::optional<api::RunNetwork> network);
  base::Status Write(const kube::Key& key, const api::Execution& execution,
                     const api::ExecutionStatus& status);
  base::Status Store(const kube::Key& key, const ExecutionObserved& seen,
                     const StoreResult& result);
  base::Status Forget(const kube::Key& key);
  base::Status Read(const kube::Key& key, const ExecutionObserved& seen);
  void WakeSandboxMates(const api::Execution& execution);

  ControllerParts parts_;
  kube::WorkQueue& queue_;
  ExecutionObserver observer_;
  ApprovalStore approvals_;
  ExecutionTrail trail_;
  HistoryReader histories_;
  // One pass at a time in a sandbox: two that both saw it free would both claim it.
  std::array<std::mutex, kStripes> stripes_;
  std::vector<std::thread> workers_;
};

}  // namespace sandgate::op
