// A moment in the life of one Sandbox, for tables over the operator's pure logic.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "operator/pod_builder.h"
#include "operator/sandbox_logic.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {

struct SandboxMoment {
  api::Sandbox sandbox;
  PodFacts pod;
  bool has_sandbox = true;
  bool has_pod = false;
  SandboxObserved seen;
  Settings settings;
  std::shared_ptr<const policy::Policy> policy = policy::Policy::Default();

  SandboxMoment() {
    sandbox.meta.ns = "agents";
    sandbox.meta.name = "box";
    sandbox.meta.uid = "sandbox-uid";
    sandbox.meta.creation_time = kStart;
    sandbox.spec.language = api::Language::kPython;
    pod.meta.ns = "agents";
    pod.meta.name = "sgsb-box";
    pod.meta.uid = "pod-uid";
    pod.meta.owners = {{api::kApiVersion, "Sandbox", "box", "sandbox-uid", true}};
    pod.phase = "Pending";
    pod.effective = *policy::Effective(policy->sandbox(), sandbox.spec);
    seen.guard.state = GuardView::State::kIntact;
    seen.activity.last = kStart;
  }

  void PodRuns() {
    has_pod = true;
    seen.isolated = seen.secret_made = true;
    pod.phase = "Running";
    pod.ip = "10.0.0.9";
    pod.conditions = {{"Ready", "True", "", "", std::nullopt}};
  }

  void MakeReady() {
    PodRuns();
    sandbox.status.phase = api::SandboxPhase::kReady;
    sandbox.status.pod_uid = "pod-uid";
    seen.secret_deleted = true;
  }

  SandboxPlan Plan(int64_t second = 1) {
    seen.sandbox = has_sandbox ? &sandbox : nullptr;
    seen.pod = has_pod ? &pod : nullptr;
    return ReconcileSandbox(seen, *policy, settings, At(second));
  }

  template <typename Action>
  bool Plans(int64_t second = 1) {
    return std::holds_alternative<Action>(Plan(second).action);
  }

  api::SandboxStatus Status(int64_t second = 1) {
    const SandboxPlan plan = Plan(second);
    const auto* write = std::get_if<WriteSandboxStatus>(&plan.action);
    if (write == nullptr) {
      ADD_FAILURE() << "the plan writes no status; its action is " << plan.action.index();
      return {};
    }
    return write->status;
  }

  // "Failed Evicted": the phase it writes and why.
  std::string Writes(int64_t second = 1) {
    const api::SandboxStatus status = Status(second);
    const api::Condition* ready = api::FindCondition(status.conditions, "Ready");
    if (!status.phase || ready == nullptr) return "nothing";
    return std::string(api::SandboxPhaseName(*status.phase)) + " " + ready->reason;
  }
};

}  // namespace sandgate::op
