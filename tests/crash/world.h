// Everything around the operator, driven by one seed: agents, an approver, a kubelet, a garbage
// collector, a clock, a network that loses things, and crashes.
#pragma once

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/arrivals.h"
#include "tests/crash/operator_process.h"

namespace sandgate::crash {

inline constexpr char kNamespace[] = "agents";

// A decision as somebody made it, whatever became of it.
struct Decision {
  std::string execution_uid;
  bool approved = false;
  bool by_requester = false;
  bool late = false;  // made when the Approval had expired
};

// A record as it came into the audit log.
struct AuditLine {
  int64_t revision = 0;  // of the API server, at that moment
  audit::Record record;
};

// Of one thread.
class World {
 public:
  explicit World(uint64_t seed);

  // `steps` of anything, faults and crashes among them.
  void Chaos(int steps);
  // No faults, no requests, no decisions any more: until nothing is left to do and every deadline
  // has passed. False: the operator does not come to rest.
  bool Settle();
  // As long again, with nothing going on: how many writes there were.
  int Quiet();

  const testing::FakeTransport& server() const { return server_; }
  const policy::Policy& policy() const { return *policy_; }
  const std::vector<Start>& starts() const { return runners_.starts(); }
  const std::vector<Decision>& decisions() const { return decisions_; }
  // UIDs of the Executions whose Approval became Approved when its deadline had passed: a slow
  // call.
  const std::set<std::string>& late() const { return late_; }
  const std::vector<AuditLine>& audit() const { return audit_; }
  // Whether this deployment measures isolation; whether the network enforces policies just now; and
  // the Sandboxes, by UID, from whose pods a connection was tried and did not get out.
  bool measures() const { return measures_; }
  bool enforces() const { return enforces_; }
  const std::set<std::string>& held() const { return held_; }
  int audit_faults() const { return audit_faults_; }
  int crashes() const { return crashes_; }
  int faults() const { return faults_hit_; }

 private:
  Surroundings Around();
  Fate Judge(const testing::Call& call);
  Fate JudgeRunner();
  Fate JudgeAudit();
  void MakeSlow(const testing::Call& call);
  void OnWritten(const testing::Call& call);
  bool Leaves(const std::string& ip, const std::string& sandbox_uid);
  void PutSandbox(const char* name);
  void Restart();
  void Step();

  void OperatorStep();
  void DeliverSome();
  void AgentStep();
  void AskForCode();
  void ChangeExecution();
  void ApproverStep();
  void KubeletStep();
  void RaisePod(const api::Json& pod);
  void LosePod(const api::Json& pod);
  void PassTime();
  void PutEgressService();
  void EgressStep();
  // Everything that can happen without time passing. False: it does not end.
  bool Exhaust();

  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  std::vector<api::Json> Executions() const { return server_.All(kube::kExecutions, kNamespace); }

  Runners::Random random_;
  ManualClock clock_;
  testing::FakeTransport server_{clock_};
  std::shared_ptr<testing::FakeTransport> events_;
  std::shared_ptr<const policy::Policy> policy_;
  op::Settings settings_;
  op::GuardView guard_{op::GuardView::State::kIntact, ""};
  SimArrivals arrivals_;
  bool measures_ = false, enforces_ = true;
  std::set<std::string> held_;
  Runners runners_;
  std::vector<Decision> decisions_;
  std::set<std::string> approved_, late_;  // Approvals, Executions by UID
  std::vector<AuditLine> audit_;
  std::unique_ptr<OperatorProcess> process_;
  bool faults_ = true;
  int fault_percent_ = 0, crash_percent_ = 0, audit_fault_percent_ = 0;
  int crashes_ = 0, faults_hit_ = 0, audit_faults_ = 0;
  int made_ = 0;  // Executions
};

}  // namespace sandgate::crash
