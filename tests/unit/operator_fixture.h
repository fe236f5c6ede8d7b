// A moment in the life of one Execution and its Sandbox, for tables over the operator's pure logic.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>

#include "operator/approval_logic.h"
#include "operator/execution_logic.h"

namespace sandgate::op {

inline const base::Time kStart = *base::ParseTime("2030-01-01T00:00:00Z");
inline base::Time At(int64_t seconds) {
  return kStart + std::chrono::seconds(seconds);
}

inline std::shared_ptr<const policy::Policy> LoadPolicy(const std::string& yaml) {
  auto loaded = policy::Policy::Load(yaml, "policy.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status().ToString();
  return *loaded;
}

// All code is LOW, and nobody is asked.
inline std::shared_ptr<const policy::Policy> AutoPolicy() {
  return LoadPolicy(
      "security: {hitl: {default_rules: false, rules: [{tools: [code_execute], risk: LOW}]}}\n");
}

struct Moment {
  api::Execution execution;
  api::Sandbox sandbox;
  api::Approval approval;
  bool has_sandbox = true;
  bool has_approval = false;
  std::optional<int64_t> approved_since;  // second
  std::optional<SandboxHistory> history = SandboxHistory{};
  RunView run;
  GuardView guard{GuardView::State::kIntact, ""};
  base::Status audit;
  EgressView egress{EgressView::State::kReady, ""};
  Load load;
  std::optional<Refusal> policy_refused;
  Settings settings;
  std::shared_ptr<const policy::Policy> policy = policy::Policy::Default();

  Moment() {
    execution.meta.ns = sandbox.meta.ns = "agents";
    execution.meta.name = "run-1";
    execution.meta.uid = "execution-uid";
    execution.meta.resource_version = "10";
    execution.meta.generation = 1;
    execution.meta.creation_time = kStart;
    execution.spec.sandbox_name = sandbox.meta.name = "box";
    execution.spec.code = "print(1)";
    execution.spec.requester = sandbox.spec.requester = {"agent", "agent-uid"};
    sandbox.meta.uid = "sandbox-uid";
    sandbox.meta.creation_time = kStart;
    sandbox.spec.language = api::Language::kPython;
    MakeReady();
  }

  void MakeReady() {
    sandbox.status.phase = api::SandboxPhase::kReady;
    sandbox.status.pod_uid = "pod-uid";
    sandbox.status.pod_ip = "10.0.0.9";
    sandbox.status.runner_boot_id = "boot";
    sandbox.status.effective = *EffectiveLimits(policy->sandbox(), sandbox.spec);
  }

  // The Sandbox may grant these, and the Execution asks for those.
  void WantNetwork(const std::vector<std::string>& ceiling,
                   const std::vector<std::string>& domains) {
    sandbox.spec.network_enabled = execution.spec.network_enabled = true;
    sandbox.spec.allowed_domains = ceiling;
    execution.spec.allowed_domains = domains;
    MakeReady();
  }

  std::vector<std::string> Domains() const {
    return DomainsFor(execution.spec, *sandbox.status.effective, policy->sandbox()).domains;
  }

  std::string Hash() const {
    return AdmissionHash(execution, sandbox, *sandbox.status.effective, Domains(),
                         policy->revision());
  }

  // The Execution waits for its Approval, which is Pending and expires at second 60.
  void Ask() {
    execution.status.phase = api::ExecutionPhase::kAwaitingApproval;
    execution.status.approval_name = approval.meta.name = execution.meta.name;
    execution.status.approval_uid = approval.meta.uid = "approval-uid";
    approval.request.execution_name = execution.meta.name;
    approval.request.execution_uid = execution.meta.uid;
    approval.request.sandbox_name = sandbox.meta.name;
    approval.request.sandbox_uid = sandbox.meta.uid;
    approval.request.risk = api::RiskLevel::kHigh;
    approval.request.requester = execution.spec.requester.username;
    approval.request.policy_revision = policy->revision();
    approval.request.spec_hash = Hash();
    approval.request.expires_at = At(60);
    approval.phase = api::ApprovalPhase::kPending;
    has_approval = true;
  }

  void Decide(api::Verdict verdict, const std::string& by = "boss") {
    approval.decision = api::ApprovalDecision{verdict, "", by};
  }

  void Admit() {
    execution.status.admission = api::Admission{Hash(), policy->revision(), "Auto", Domains()};
    execution.status.phase = api::ExecutionPhase::kAdmitted;
  }

  void Claim() {
    Admit();
    execution.status.phase = api::ExecutionPhase::kRunning;
    execution.status.start_time = kStart;
    execution.status.claim = api::Claim{"run", "pod-uid", "boot"};
  }

  void Ended(api::RunOutcome outcome, int64_t exit_code) {
    auto state = std::make_shared<api::RunState>();
    state->run_id = "run";
    state->finished = state->started = true;
    state->outcome = outcome;
    state->exit_code = exit_code;
    run.stage = RunView::Stage::kFinished;
    run.state = state;
  }

  ExecutionPlan Plan(int64_t second = 1) const {
    std::optional<base::Time> since;
    if (approved_since) since = At(*approved_since);
    const ExecutionObserved seen{.execution = &execution,
                                 .sandbox = has_sandbox ? &sandbox : nullptr,
                                 .approval = has_approval ? &approval : nullptr,
                                 .approved_since = since,
                                 .history = history,
                                 .run = run,
                                 .guard = guard,
                                 .audit = audit,
                                 .egress = egress,
                                 .load = load,
                                 .policy_refused = policy_refused,
                                 .new_run_id = "new-run"};
    return ReconcileExecution(seen, *policy, settings, At(second));
  }

  // The status that the plan writes; fails the test when it writes none.
  api::ExecutionStatus Status(int64_t second = 1) const {
    const ExecutionPlan plan = Plan(second);
    if (const auto* write = std::get_if<WriteStatus>(&plan.action)) return write->status;
    if (const auto* store = std::get_if<StoreResult>(&plan.action)) return store->status;
    ADD_FAILURE() << "the plan writes no status; its action is " << plan.action.index();
    return {};
  }

  template <typename Action>
  bool Plans(int64_t second = 1) const {
    return std::holds_alternative<Action>(Plan(second).action);
  }

  // How the Approval is settled; fails the test when it is not.
  std::string Settled(int64_t second = 1) const {
    const ExecutionPlan plan = Plan(second);
    if (const auto* settle = std::get_if<SettleApproval>(&plan.action)) {
      return api::ApprovalPhaseName(settle->phase);
    }
    return "action " + std::to_string(plan.action.index());
  }
};

inline std::string Ending(const api::ExecutionStatus& status) {
  std::string text = status.phase ? api::PhaseName(*status.phase) : "none";
  if (status.error) text += " " + status.error->code;
  return text;
}

}  // namespace sandgate::op
