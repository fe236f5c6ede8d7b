#include "tests/crash/invariants.h"

#include <map>
#include <set>

#include "libs/api/approval.h"
#include "libs/api/spec_hash.h"
#include "libs/egress/grant.h"
#include "tests/crash/audit_invariants.h"

namespace sandgate::crash {
namespace {

using api::Json;
using api::Member;
using api::StringOr;
using testing::Change;
using Complaints = std::vector<std::string>;

std::string UidOf(const Json& object) {
  return StringOr(Member(object, "metadata"), "uid");
}

std::string PhaseOf(const Json& object) {
  return StringOr(Member(object, "status"), "phase");
}

std::vector<Change> Of(const std::vector<Change>& history, const kube::Resource& resource) {
  std::vector<Change> some;
  for (const Change& change : history) {
    if (change.key.resource == testing::NameOf(resource)) some.push_back(change);
  }
  return some;
}

// The Execution as it was claimed for that run, before the run started.
std::optional<api::Execution> Claimed(const std::vector<Change>& executions, const Start& start) {
  for (const Change& change : executions) {
    if (change.revision > start.revision) break;
    if (change.after.is_null()) continue;
    auto execution = api::Execution::FromJson(change.after);
    if (execution.ok() && execution->status.claim &&
        execution->status.claim->run_id == start.run_id) {
      return *std::move(execution);
    }
  }
  return std::nullopt;
}

std::optional<api::Sandbox> ReadySandbox(const std::vector<Change>& history, const Start& start) {
  for (const Change& change : Of(history, kube::kSandboxes)) {
    if (change.revision > start.revision || change.after.is_null()) continue;
    auto sandbox = api::Sandbox::FromJson(change.after);
    if (sandbox.ok() && sandbox->meta.uid == start.sandbox_uid && sandbox->status.effective) {
      return *std::move(sandbox);
    }
  }
  return std::nullopt;
}

bool WasApproved(const std::vector<Change>& history, const api::Execution& execution,
                 const Start& start) {
  for (const Change& change : Of(history, kube::kApprovals)) {
    if (change.revision > start.revision || change.after.is_null()) continue;
    const auto approval = api::Approval::FromJson(change.after);
    if (approval.ok() && approval->phase == api::ApprovalPhase::kApproved &&
        approval->request.execution_uid == execution.meta.uid &&
        approval->request.spec_hash == execution.status.admission->spec_hash) {
      return true;
    }
  }
  return false;
}

// I1: nothing runs without an admission whose hash is that of what runs; and what the policy wants
// a human for was approved.
void CheckAdmissions(const World& world, const std::vector<Change>& history, Complaints* out) {
  const auto executions = Of(history, kube::kExecutions);
  for (const Start& start : world.starts()) {
    const auto execution = Claimed(executions, start);
    const auto sandbox = ReadySandbox(history, start);
    if (!execution || !sandbox || !execution->status.admission) {
      out->push_back("I1: a run started without claim and admission: " + start.code);
      continue;
    }
    const api::Admission& admission = *execution->status.admission;
    const std::string hash =
        api::SpecHash(*execution, start.sandbox_uid, *sandbox->status.effective,
                      admission.policy_revision, admission.domains);
    if (hash != admission.spec_hash || execution->spec.code != start.code ||
        execution->status.claim->pod_uid != start.pod_uid) {
      out->push_back("I1: what ran is not what was admitted: " + start.code);
    }
    const bool ask = world.policy().Assess(policy::CallOf(execution->spec)).needs_approval;
    if (ask && !WasApproved(history, *execution, start)) {
      out->push_back("I1: it ran without the approval that it needs: " + start.code);
    }
  }
}

// By a proxy with any key that ever stood in the ConfigMap: it may have been deleted since.
std::optional<egress::Grant> Believed(const std::vector<Change>& history, const std::string& token,
                                      base::Time at) {
  for (const Change& change : Of(history, kube::kConfigMaps)) {
    if (change.key.name != op::kEgressKeysConfigMap) continue;
    for (const auto& [entry, pem] : Member(change.after, "data").items()) {
      const auto verdict = egress::GrantVerifier::Create({pem})->Verify(token, at);
      if (const auto* grant = std::get_if<egress::Grant>(&verdict)) return *grant;
    }
  }
  return std::nullopt;
}

// What is wrong with the network that a run started with, or "".
std::string WhyWrongNetwork(const Start& start, const api::Execution& execution,
                            const api::EffectiveLimits& limits,
                            const std::vector<Change>& history) {
  const std::vector<std::string>& domains = execution.status.admission->domains;
  if (execution.spec.network_enabled == domains.empty()) return "admitted with wrong domains";
  if (start.network.has_value() == domains.empty()) return "network without an admission, or none";
  if (!start.network) return "";
  const base::Time claimed = *execution.status.start_time;
  const auto grant = Believed(history, start.network->grant, claimed);
  if (!grant) return "a grant that no proxy believes";
  if (grant->domains != domains || start.network->domains != domains) return "other domains";
  if (grant->sandbox_uid != start.sandbox_uid || grant->run_id != start.run_id) {
    return "a grant of another run";
  }
  if (grant->expires > op::RunDeadline(claimed, execution.spec, limits)) {
    return "I7: a grant that outlives its run";
  }
  return "";
}

void CheckGrants(const World& world, const std::vector<Change>& history, Complaints* out) {
  const auto executions = Of(history, kube::kExecutions);
  for (const Start& start : world.starts()) {
    const auto execution = Claimed(executions, start);
    const auto sandbox = ReadySandbox(history, start);
    if (!execution || !sandbox || !execution->status.admission) continue;  // said above
    const std::string why = WhyWrongNetwork(start, *execution, *sandbox->status.effective, history);
    if (!why.empty()) out->push_back(why + ": " + start.code);
    if (start.network && world.measures() && !world.held().contains(start.sandbox_uid)) {
      out->push_back("network: a run in a sandbox that nobody saw held: " + start.code);
    }
  }
}

// I2: the code of each Execution is its own.
void CheckStarts(const World& world, Complaints* out) {
  std::map<std::string, int> starts;
  for (const Start& start : world.starts()) {
    if (++starts[start.code] == 2) out->push_back("I2: it started twice: " + start.code);
  }
}

// I3, of Executions and of Approvals.
void CheckTerminal(const std::vector<Change>& history, Complaints* out) {
  static const std::set<std::string> kTerminal = {"Succeeded", "Failed",    "TimedOut", "Denied",
                                                  "Expired",   "Cancelled", "Lost",     "Approved"};
  for (const kube::Resource& resource : {kube::kExecutions, kube::kApprovals}) {
    for (const Change& change : Of(history, resource)) {
      if (change.before.is_null() || change.after.is_null()) continue;
      const std::string before = PhaseOf(change.before), after = PhaseOf(change.after);
      if (kTerminal.contains(before) && before != after) {
        out->push_back("I3: " + change.key.name + " went from " + before + " to " + after);
      }
    }
  }
}

// I5: neither an Approval that was denied or expired admits, nor a decision that is none.
void CheckRefusals(const World& world, const std::vector<Change>& history, Complaints* out) {
  std::map<std::string, std::string> refused;  // by the Execution's UID: why
  for (const Decision& decision : world.decisions()) {
    if (!decision.approved) refused[decision.execution_uid] = "denied";
    if (decision.by_requester) refused[decision.execution_uid] = "decided by its requester";
    if (decision.late) refused[decision.execution_uid] = "decided too late";
  }
  for (const std::string& uid : world.late()) refused[uid] = "approved when it was too late";
  for (const Change& change : Of(history, kube::kApprovals)) {
    const std::string phase = PhaseOf(change.after);
    if (phase != "Denied" && phase != "Expired") continue;
    const Json& request = Member(Member(change.after, "spec"), "request");
    refused[StringOr(request, "executionUID")] = phase;
  }
  for (const Change& change : Of(history, kube::kExecutions)) {
    const auto why = refused.find(UidOf(change.after));
    if (why == refused.end()) continue;
    if (Member(Member(change.after, "status"), "admission").is_object()) {
      out->push_back("I5: " + change.key.name + " was admitted, but " + why->second);
      refused.erase(why);
    }
  }
}

// I6: everything ended.
void CheckEnds(const World& world, Complaints* out) {
  for (const Json& json : world.server().All(kube::kExecutions)) {
    const auto execution = api::Execution::FromJson(json);
    if (execution.ok() && execution->status.terminal()) continue;
    out->push_back("I6: it never ended: " + api::DumpJson(json));
  }
}

// I7: no pod and no Secret outlives its Sandbox.
void CheckLeftovers(const World& world, Complaints* out) {
  std::set<std::string> alive;
  for (const Json& sandbox : world.server().All(kube::kSandboxes)) alive.insert(UidOf(sandbox));
  for (const kube::Resource& resource : {kube::kPods, kube::kSecrets}) {
    for (const Json& object : world.server().All(resource, kNamespace)) {
      const api::ObjectMeta meta = api::MetaFromJson(object);
      if (meta.owners.empty() || !alive.contains(meta.owners.front().uid)) {
        out->push_back("I7: left behind: " + resource.plural + "/" + meta.name);
      }
    }
  }
}

// I9: no pod before its namespace's two NetworkPolicies.
void CheckIsolation(const std::vector<Change>& history, Complaints* out) {
  std::set<std::string> policies;
  for (const Change& change : history) {
    if (change.key.resource == testing::NameOf(kube::kNetworkPolicies)) {
      policies.insert(change.key.name);
    }
    const bool pod = change.key.resource == testing::NameOf(kube::kPods);
    if (pod && change.before.is_null() && policies.size() < 2) {
      out->push_back("I9: a pod before its NetworkPolicies: " + change.key.name);
    }
  }
}

// What Sandboxes say of their network: each Ready one says something, one that may be granted
// network is called isolated only where a connection out of its own pod was tried and did not
// arrive, and in the end it is called what it is.
void CheckNetwork(const World& world, const std::vector<Change>& history, Complaints* out) {
  if (!world.measures()) return;
  const auto isolated = [](const Json& json) -> std::string {
    const auto sandbox = api::Sandbox::FromJson(json);
    if (!sandbox.ok() || sandbox->status.phase != api::SandboxPhase::kReady) return "not Ready";
    const auto* found = api::FindCondition(sandbox->status.conditions, "NetworkIsolated");
    return found == nullptr ? "nothing" : found->status;
  };
  const auto networked = [](const Json& json) {
    return api::BoolOr(Member(Member(json, "spec"), "network"), "enabled");
  };
  for (const Change& change : Of(history, kube::kSandboxes)) {
    const std::string said = isolated(change.after);
    if (said == "nothing") out->push_back("network: Ready without a word: " + change.key.name);
    if (said == "True" && networked(change.after) && !world.held().contains(UidOf(change.after))) {
      out->push_back("network: isolated without proof: " + change.key.name);
    }
  }
  for (const Json& sandbox : world.server().All(kube::kSandboxes)) {
    const std::string said = isolated(sandbox);
    if (networked(sandbox) && world.enforces() && said != "True" && said != "not Ready") {
      out->push_back("network: held, and in the end it says " + said);
    }
  }
}

}  // namespace

Complaints Violations(const World& world) {
  const std::vector<Change> history = world.server().ChangesSince(0);
  Complaints out;
  CheckAdmissions(world, history, &out);
  CheckGrants(world, history, &out);
  CheckStarts(world, &out);
  CheckTerminal(history, &out);
  CheckRefusals(world, history, &out);
  CheckEnds(world, &out);
  CheckLeftovers(world, &out);
  CheckIsolation(history, &out);
  CheckNetwork(world, history, &out);
  CheckAudit(world, history, &out);
  return out;
}

}  // namespace sandgate::crash
