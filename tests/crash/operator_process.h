// One life of the operator: what a crash takes away.
#pragma once

#include <memory>

#include "libs/audit/log.h"
#include "libs/kube/events.h"
#include "operator/execution_controller.h"
#include "operator/isolation_prober.h"
#include "tests/crash/operator_link.h"
#include "tests/crash/runners.h"

namespace sandgate::crash {

// Everything that outlives the process.
struct Surroundings {
  const ManualClock& clock;
  testing::FakeTransport& server;
  Runners& runners;
  const op::Settings& settings;
  const http::CertificateAuthority& authority;
  kube::Api events;  // an API server for Events alone: they go out on a thread of their own
  std::function<op::PolicyView(const std::string& ns)> policy;
  std::function<op::GuardView()> guard;
  op::Arrivals* arrivals;  // null: this deployment does not measure isolation
  OperatorLink::Judge judge;
  // A call to a runner is about to be made: kDieBefore, kDieAfter or kFine.
  std::function<Fate()> judge_runner;
  // A record is about to be written; kDieBefore, kDieAfter, kUnreachable (not written) or kFine.
  std::function<Fate()> judge_audit;
  std::function<void(const audit::Record&)> audit;  // it was written
};

inline constexpr char kEgressService[] = "sandgate-egress";

// The resources that it watches, in the order in which it starts.
extern const char* const kWatched[5];

// What the process writes of its audit log.
class ProcessAudit final : public audit::Sink {
 public:
  ProcessAudit(const Surroundings& around, OperatorLink& link)
      : judge_(around.judge_audit), keep_(around.audit), link_(link) {}

  base::Status Append(const audit::Record& record) override;
  base::Status Health() override;

 private:
  const std::function<Fate()> judge_;
  const std::function<void(const audit::Record&)> keep_;
  OperatorLink& link_;
  bool broken_ = false;
};

class OperatorProcess {
 public:
  explicit OperatorProcess(const Surroundings& around);
  ~OperatorProcess();

  OperatorLink& link() { return *link_; }
  bool dead() const { return link_->dead(); }
  // One pass of one controller, if it has something due.
  bool StepSandboxes();
  bool StepExecutions();

 private:
  std::unique_ptr<op::IsolationProber> NewProber(const Surroundings& around);
  op::CacheCallbacks Callbacks();
  op::ControllerParts Parts(const Surroundings& around);
  bool Step(kube::WorkQueue& queue, const std::function<base::Status(const kube::Key&)>& pass);
  void WakeSandbox(const kube::Key& sandbox);

  std::shared_ptr<OperatorLink> link_;
  ProcessAudit audit_;
  kube::Api api_;
  kube::WorkQueue sandbox_queue_, execution_queue_;
  op::Cluster cluster_;
  kube::EventRecorder events_;
  op::Caches caches_;
  std::unique_ptr<op::IsolationProber> isolation_;
  op::RunnerClient runners_;
  op::EgressGrants egress_;
  op::SandboxController sandboxes_;
  op::ExecutionController executions_;
};

}  // namespace sandgate::crash
