// A cluster in one thread: an API server, kubelets, runners, agents, approvers, and an operator
// that is killed and started again at any moment.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libs/egress/grant.h"
#include "libs/kube/events.h"
#include "operator/execution_controller.h"
#include "operator/sandbox_controller.h"
#include "tests/sim/sim_runners.h"
#include "tests/support/fake_audit.h"
#include "tests/support/fake_transport.h"

namespace sandgate::sim {

// One life of the operator.
struct OperatorLife {
  kube::WorkQueue sandbox_queue, execution_queue;
  std::map<std::string, int64_t> seen;  // by resource: how far its watch has come
  std::unique_ptr<op::Caches> caches;
  std::unique_ptr<op::Cluster> cluster;
  SimClient* client = nullptr;  // of `runners`
  std::unique_ptr<op::RunnerClient> runners;
  std::unique_ptr<op::EgressGrants> egress;
  std::unique_ptr<op::SandboxController> sandboxes;
  std::unique_ptr<op::ExecutionController> executions;

  explicit OperatorLife(const base::Clock& clock) : sandbox_queue(clock), execution_queue(clock) {}
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();

  // Chaos for `steps`, then peace until everything has settled; what was violated is in problems().
  void Run(int steps);
  const std::vector<std::string>& problems() const { return problems_; }
  // How many starts there were: a simulator in which nothing runs proves nothing.
  int starts() const { return started_total_; }
  int approved_starts() const { return approved_starts_; }
  int networked_starts() const { return networked_starts_; }
  // Approvals that were taken up after another run had changed the workspace.
  int changed_workspaces() const { return changed_workspaces_; }
  // Approvals that a slow call made too late.
  size_t late_approvals() const { return late_.size(); }

 private:
  void StartOperator();
  void KillOperator() { life_.reset(); }
  bool FeedOne();
  void MakeSlow(const testing::Call& call);
  bool WorkOne();
  void ChaosStep();
  bool PeaceStep();
  void Settle(int seconds);

  // --- the others in the cluster (sim_actors.cc) ---
  void AgentActs();
  void ApproverActs();
  void VandalActs();
  void EgressVandalActs();
  void PutEgressService();
  bool KubeletActs();
  std::optional<api::Json> PickOne(const kube::Resource& resource);

  // --- what must hold (sim_invariants.cc) ---
  void OnRunStart(const api::RunRequest& request, const std::string& run_id,
                  const std::string& sandbox_uid);
  void CheckNetwork(const api::RunRequest& request, const std::string& run_id,
                    const std::string& sandbox_uid, const api::Execution& execution);
  std::optional<egress::Grant> Believed(const std::string& token, base::Time at) const;
  void CheckHistory();
  void CheckChange(const testing::Change& change);
  void CheckWorkspace(const testing::Change& change);
  void OnWritten(const testing::Call& call);
  void CheckPodCreated(const api::Json& pod);
  void CheckEnd();
  void Problem(const std::string& text);

  Chance chance_;
  SimClock clock_;
  bool faults_ = true;
  bool dying_ = false;  // the operator was killed in the middle of a pass
  bool guard_broken_ = false;
  std::shared_ptr<testing::FakeTransport> server_;
  SimRunners runners_;
  std::unique_ptr<kube::EventRecorder> events_;
  testing::FakeAudit audit_;
  op::Settings settings_;
  std::shared_ptr<const policy::Policy> policy_;
  std::unique_ptr<OperatorLife> life_;
  int64_t checked_ = 0;  // revision up to which the history was checked
  int created_ = 0;
  int started_total_ = 0;
  int changed_workspaces_ = 0;
  int networked_starts_ = 0;
  int approved_starts_ = 0;                       // of code that a human had to approve
  std::set<std::string> late_;                    // Executions whose Approval came too late, by UID
  std::set<std::string> seen_approved_;           // Approvals, by UID
  std::map<std::string, int> starts_;             // by code
  std::map<std::string, std::string> pod_of_ip_;  // address -> UID of the pod that has it
  std::vector<std::string> problems_;
};

}  // namespace sandgate::sim
