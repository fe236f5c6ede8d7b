// What to do next about one Sandbox. Pure: no I/O, no clock; one action a pass, so that every
// moment between two writes is a moment from which a restarted operator goes on.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "libs/api/runner_protocol.h"
#include "libs/api/sandbox.h"
#include "libs/policy/policy.h"
#include "operator/isolation_logic.h"
#include "operator/pod_facts.h"
#include "operator/refusal.h"
#include "operator/settings.h"

namespace sandgate::op {

// What the runner said to GET /v1/info.
struct Probe {
  enum class State { kNone, kAsking, kAnswered, kFailed };
  State state = State::kNone;
  api::RunnerInfo info;
  std::string problem;
  base::Time retry_at;
};

// Whether the API server's own rules about approvals are in force.
struct GuardView {
  enum class State { kUnknown, kIntact, kBroken };
  State state = State::kUnknown;
  std::string problem;

  bool intact() const { return state == State::kIntact; }
};

// What this operator measured of the sandbox's network, and of any other's.
struct IsolationView {
  enum class State { kOff, kNone, kAsking, kAgain, kDone };
  State state = State::kOff;  // kOff: this deployment measures nothing
  base::Time retry_at;        // kAgain, kDone: not before this
  IsolationVerdict verdict;   // kDone
  ForeignPolicies foreign;
  IsolationVerdict cluster;  // the last one of the cluster
  bool cluster_known = false;
  bool cluster_due = false;  // the next new sandbox is measured, and does not wait for it
};

// What this operator knows of the sandbox's use.
struct Activity {
  size_t active = 0;  // Executions that are not finished
  base::Time last;    // when one last ended, or the operator began to watch
};

struct SandboxObserved {
  const api::Sandbox* sandbox = nullptr;  // null: there is none of that name
  const PodFacts* pod = nullptr;          // named as the sandbox's pod, whoever owns it
  bool isolated = false;                  // the namespace's NetworkPolicies stand as they should
  bool secret_made = false;               // by this process, or found there
  bool secret_deleted = false;
  std::optional<Refusal> policy_refused;  // no policy can be told for this namespace
  std::optional<Diagnosis> refused;       // the API server's last refusal to create
  base::Time retry_at;                    // not before this after a refusal
  Probe probe;
  IsolationView isolation;
  GuardView guard;
  Activity activity;
};

struct Idle {};             // nothing, until something changes
struct EnsureIsolation {};  // create or mend the namespace's NetworkPolicies
struct CreateRunnerSecret {};
struct CreatePod {
  api::EffectiveLimits limits;
};
struct AskRunner {};  // GET /v1/info
// Lets the runner try to reach the operator; nothing waits for it.
struct ProbeIsolation {};
struct DeleteRunnerSecret {};
struct DeletePod {
  std::string uid;
};
// Its Sandbox is gone from the cache: asked again of the API server itself before it goes.
struct DeleteOrphan {
  std::string pod_uid, sandbox_uid;
};
struct WriteSandboxStatus {
  api::SandboxStatus status;
};
// Deletes an unused Sandbox, after one LIST has shown that nothing runs or ran in it lately.
struct DeleteIdleSandbox {
  std::chrono::seconds idle;
};
struct DeleteExpiredSandbox {};

using SandboxAction = std::variant<Idle, EnsureIsolation, CreateRunnerSecret, CreatePod, AskRunner,
                                   ProbeIsolation, DeleteRunnerSecret, DeletePod, DeleteOrphan,
                                   WriteSandboxStatus, DeleteIdleSandbox, DeleteExpiredSandbox>;

struct SandboxPlan {
  SandboxAction action;
  std::optional<base::Time> again_at;  // look again then, even if nothing changes
};

SandboxPlan ReconcileSandbox(const SandboxObserved& observed, const policy::Policy& policy,
                             const Settings& settings, base::Time now);

}  // namespace sandgate::op
