#include "tests/crash/operator_process.h"

namespace sandgate::crash {

const char* const kWatched[5] = {"sandboxes.sandgate.dev", "executions.sandgate.dev",
                                 "approvals.sandgate.dev", "pods",
                                 "networkpolicies.networking.k8s.io"};

base::Status ProcessAudit::Append(const audit::Record& record) {
  const base::Status failed(base::Code::kUnavailable, "not written (by the simulator)");
  if (link_.dead()) return failed;
  const Fate fate = judge_();
  broken_ = fate != Fate::kFine && fate != Fate::kDieAfter;
  if (fate == Fate::kDieBefore || fate == Fate::kDieAfter) link_.Die();
  if (broken_) return failed;
  keep_(record);
  return fate == Fate::kDieAfter ? failed : base::Status::Ok();
}

// A disk has room again when it is looked at.
base::Status ProcessAudit::Health() {
  if (!broken_) return base::Status::Ok();
  broken_ = judge_() != Fate::kFine;
  return base::Status(base::Code::kUnavailable, "broken (by the simulator)");
}

OperatorProcess::OperatorProcess(const Surroundings& around)
    : link_(std::make_shared<OperatorLink>(around.server, around.judge)),
      audit_(around, *link_),
      api_(link_),
      sandbox_queue_(around.clock),
      execution_queue_(around.clock),
      cluster_(api_, [](const std::string&, const std::string&) {}),
      events_(around.events, op::kManagedBy, "sim"),
      caches_(api_, Callbacks()),
      isolation_(NewProber(around)),
      runners_(
          around.runners.NewClient([this, judge = around.judge_runner] {
            if (dead()) return false;
            const Fate fate = judge();
            if (fate != Fate::kFine) link_->Die();
            return fate != Fate::kDieBefore;
          }),
          around.clock, [this](const kube::Key& key) { sandbox_queue_.Add(key); },
          [this](const kube::Key& key) { execution_queue_.Add(key); }),
      egress_({kEgressService, ""}, api_, around.settings, around.clock),
      sandboxes_(Parts(around), around.authority, sandbox_queue_),
      executions_(Parts(around), execution_queue_,
                  {[](const api::Execution&, const api::ExecutionStatus&) {},
                   [](api::ApprovalPhase, std::chrono::seconds) {}}) {
  caches_.Start();
  for (const char* resource : kWatched) link_->Open(resource);
  link_->Opened();
}

OperatorProcess::~OperatorProcess() {
  link_->Die();
  caches_.Stop();
}

// As the operator does (operator/operator.cc).
std::unique_ptr<op::IsolationProber> OperatorProcess::NewProber(const Surroundings& around) {
  if (around.arrivals == nullptr) return nullptr;
  return std::make_unique<op::IsolationProber>(
      *around.arrivals, "10.0.0.99:8082", around.clock,
      [this](const std::string& uid, const std::string& ip, const api::ProbeRequest& request,
             op::IsolationProber::Done done) {
        runners_.TryReach(uid, ip, request, std::move(done));
      },
      [this](const kube::Key& key) { sandbox_queue_.Add(key); },
      [](const op::IsolationVerdict&) {});
}

op::ControllerParts OperatorProcess::Parts(const Surroundings& around) {
  return {around.settings, around.clock,  caches_,      cluster_, runners_,        events_,
          audit_,          around.policy, around.guard, egress_,  isolation_.get()};
}

// As the operator wires them (operator/operator.cc).
op::CacheCallbacks OperatorProcess::Callbacks() {
  return {[this](const kube::Key& sandbox) { WakeSandbox(sandbox); },
          [this](const kube::Key& execution) { execution_queue_.Add(execution); },
          [this](const api::Execution& last) {
            const kube::Key sandbox{last.meta.ns, last.spec.sandbox_name};
            executions_.Left(last);
            sandboxes_.Used(sandbox);
            WakeSandbox(sandbox);
          },
          [this](const std::string& ns) {
            for (const auto& sandbox : caches_.Sandboxes()) {
              if (sandbox->meta.ns == ns) sandbox_queue_.Add({ns, sandbox->meta.name});
            }
          }};
}

void OperatorProcess::WakeSandbox(const kube::Key& sandbox) {
  sandbox_queue_.Add(sandbox);
  for (const auto& execution : caches_.Executions()) {
    if (execution->meta.ns == sandbox.ns && execution->spec.sandbox_name == sandbox.name) {
      execution_queue_.Add({execution->meta.ns, execution->meta.name});
    }
  }
}

bool OperatorProcess::Step(kube::WorkQueue& queue,
                           const std::function<base::Status(const kube::Key&)>& pass) {
  const auto key = queue.TryGet();
  if (!key) return false;
  op::Requeue(pass(*key), *key, &queue);
  queue.Done(*key);
  return true;
}

bool OperatorProcess::StepSandboxes() {
  return Step(sandbox_queue_, [this](const kube::Key& key) { return sandboxes_.Reconcile(key); });
}

bool OperatorProcess::StepExecutions() {
  return Step(execution_queue_,
              [this](const kube::Key& key) { return executions_.Reconcile(key); });
}

}  // namespace sandgate::crash
