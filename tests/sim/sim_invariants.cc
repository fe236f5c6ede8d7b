// What must hold (docs: invariants I1 to I10), checked at every start of code and over every write.
#include "libs/api/spec_hash.h"
#include "operator/compare.h"
#include "operator/pod_builder.h"
#include "tests/sim/sim_world.h"

namespace sandgate::sim {
namespace {

using api::Json;

std::string PhaseOf(const Json& object) {
  return api::StringOr(api::Member(object, "status"), "phase");
}

}  // namespace

void World::Problem(const std::string& text) {
  problems_.push_back(base::FormatTime(clock_.Now()) + " " + text);
}

// In the moment code starts, by what the API server has stored.
void World::OnRunStart(const api::RunRequest& request, const std::string& run_id,
                       const std::string& sandbox_uid) {
  const std::string& code = request.code;
  ++started_total_;
  if (++starts_[code] > 1) Problem("I2: started twice: " + code);
  const std::string name = code.substr(0, code.find(' '));
  const auto object = server_->Find(kube::kExecutions, "agents", name);
  if (!object) return;  // deleted while the call was on its way
  const auto execution = api::Execution::FromJson(*object);
  if (!execution.ok()) return Problem("unreadable: " + name);
  const auto& admission = execution->status.admission;
  if (!admission) return Problem("I1: started without an admission: " + name);
  CheckNetwork(request, run_id, sandbox_uid, *execution);
  const auto sandbox_object =
      server_->Find(kube::kSandboxes, "agents", execution->spec.sandbox_name);
  if (sandbox_object) {
    const auto sandbox = api::Sandbox::FromJson(*sandbox_object);
    const bool same = sandbox.ok() && sandbox->status.effective &&
                      sandbox->status.pod_uid == execution->status.claim->pod_uid;
    if (same &&
        api::SpecHash(*execution, sandbox->meta.uid, *sandbox->status.effective,
                      admission->policy_revision, admission->domains) != admission->spec_hash) {
      Problem("I1: the hash is another one: " + name);
    }
  }
  if (code.find("risky") == std::string::npos) return;
  ++approved_starts_;
  if (admission->by != "Approval") Problem("I5: risky code admitted by itself: " + name);
  const auto approval_object = server_->Find(kube::kApprovals, "agents", name);
  if (!approval_object) return;  // deleted after the admission
  const auto approval = api::Approval::FromJson(*approval_object);
  if (!approval.ok() || approval->phase != api::ApprovalPhase::kApproved) {
    return Problem("I5: the Approval is " + PhaseOf(*approval_object) + ": " + name);
  }
  if (!approval->decision || approval->decision->decided_by == "agent") {
    Problem("I4: the requester decided: " + name);
  }
}

// By a proxy with any key that ever stood in the ConfigMap: a vandal may have deleted it since.
std::optional<egress::Grant> World::Believed(const std::string& token, base::Time at) const {
  for (const testing::Change& change : server_->ChangesSince(0)) {
    if (change.key.name != op::kEgressKeysConfigMap) continue;
    for (const auto& [entry, pem] : api::Member(change.after, "data").items()) {
      const auto verdict = egress::GrantVerifier::Create({pem})->Verify(token, at);
      if (const auto* grant = std::get_if<egress::Grant>(&verdict)) return *grant;
    }
  }
  return std::nullopt;
}

// I7: a run has the network that was admitted, by a grant that ends with it, or it has none.
void World::CheckNetwork(const api::RunRequest& request, const std::string& run_id,
                         const std::string& sandbox_uid, const api::Execution& execution) {
  const std::vector<std::string>& domains = execution.status.admission->domains;
  const std::string& name = execution.meta.name;
  if (execution.spec.network_enabled == domains.empty() ||
      request.network.has_value() == domains.empty()) {
    return Problem("I1: network without an admission, or the other way round: " + name);
  }
  if (!request.network) return;
  ++networked_starts_;
  const base::Time start = execution.status.start_time.value_or(base::Time{});
  const auto grant = Believed(request.network->grant, start);
  if (!grant) return Problem("a grant that no proxy believes: " + name);
  if (grant->domains != domains || request.network->domains != domains) {
    Problem("I1: other domains than were admitted: " + name);
  }
  if (grant->sandbox_uid != sandbox_uid || grant->run_id != run_id || grant->execution != name) {
    Problem("a grant of another run: " + name);
  }
  constexpr std::chrono::seconds kTimeout{30};  // the policy's default
  if (grant->expires > start + kTimeout + op::kKillGrace) {
    Problem("I7: a grant outlives its run: " + name);
  }
}

void World::CheckPodCreated(const Json& pod) {
  const std::string ns = api::MetaFromJson(pod).ns;
  for (const Json& expected : op::BuildNetworkPolicies(ns, settings_)) {
    // A vandal may have deleted it since the operator looked; its first making is what counts.
    bool made = false;
    for (const testing::Change& change : server_->ChangesSince(0)) {
      made |= change.key.name == kube::KeyOf(expected).name && !change.after.is_null();
    }
    if (!made) Problem("I9: a pod before its namespace's NetworkPolicies");
  }
}

void World::CheckChange(const testing::Change& change) {
  const std::string& resource = change.key.resource;
  if (resource == "pods" && change.before.is_null()) CheckPodCreated(change.after);
  if (change.before.is_null() || change.after.is_null()) return;
  const std::string before = PhaseOf(change.before), after = PhaseOf(change.after);
  if (resource.starts_with("executions")) {
    const auto phase = api::ParsePhase(before);
    if (phase && api::IsTerminal(*phase) && before != after) {
      Problem("I3: " + change.key.name + " went from " + before + " to " + after);
    }
    const bool admitted = api::Member(api::Member(change.after, "status"), "admission").is_object();
    if (admitted && late_.contains(api::MetaFromJson(change.after).uid)) {
      Problem("I5: approved after the deadline, and admitted: " + change.key.name);
    }
    const Json& claim = api::Member(api::Member(change.before, "status"), "claim");
    if (claim.is_object() && claim != api::Member(api::Member(change.after, "status"), "claim")) {
      Problem("I2: the claim of " + change.key.name + " changed");
    }
  }
  if (resource.starts_with("approvals") && after == "Approved" && before != after) {
    CheckWorkspace(change);
  }
  if (resource.starts_with("approvals") && !before.empty() && before != "Pending" &&
      before != after) {
    Problem("I5: a settled Approval went from " + before + " to " + after);
  }
}

// No decision to run is taken up before the approver was shown that another run came in between;
// and none at all where the policy voids it then.
void World::CheckWorkspace(const testing::Change& approved) {
  const auto approval = api::Approval::FromJson(approved.after);
  const auto sandbox = server_->Find(kube::kSandboxes, "agents",
                                     approval.ok() ? approval->request.sandbox_name : "");
  if (!sandbox) return;
  const std::string pod = api::StringOr(api::Member(*sandbox, "status"), "podUID");
  bool asked = false;
  std::string other;
  for (const testing::Change& change : server_->ChangesSince(0)) {
    if (change.revision >= approved.revision) break;
    if (!asked) {
      asked = api::MetaFromJson(change.after).uid == approval->meta.uid;
      continue;
    }
    if (!change.key.resource.starts_with("executions")) continue;
    if (change.after.is_null()) return;  // what was deleted is seen by nobody
    const auto execution = api::Execution::FromJson(change.after);
    const bool here =
        execution.ok() && execution->status.claim && execution->status.claim->pod_uid == pod;
    if (here && PhaseOf(change.before) != PhaseOf(change.after)) other = change.key.name;
  }
  if (other.empty()) return;
  ++changed_workspaces_;
  if (policy_->void_on_workspace_change()) Problem("approved, though void by " + other);
  if (!approval->workspace_changed) Problem("approved, and nobody was told of " + other);
}

// In the moment a write of the operator's was carried out.
void World::OnWritten(const testing::Call& call) {
  if (!call.IsWrite() || !call.key.resource.starts_with("approvals")) return;
  const auto object = server_->Find(kube::kApprovals, call.key.ns, call.key.name);
  if (!object) return;
  const auto approval = api::Approval::FromJson(*object);
  const bool before = seen_approved_.contains(approval->meta.uid);
  if (approval->phase != api::ApprovalPhase::kApproved || before) return;
  seen_approved_.insert(approval->meta.uid);
  if (clock_.Now() >= approval->request.expires_at) late_.insert(approval->request.execution_uid);
}

void World::CheckHistory() {
  for (const testing::Change& change : server_->ChangesSince(checked_)) {
    CheckChange(change);
    checked_ = change.revision;
  }
}

void World::CheckEnd() {
  for (const Json& object : server_->All(kube::kExecutions)) {
    const auto phase = api::ParsePhase(PhaseOf(object));
    if (!phase || !api::IsTerminal(*phase)) {
      Problem("I6: " + kube::KeyOf(object).name + " never ended: " + api::DumpJson(object));
    }
    for (const char* stream : {"stdout", "stderr"}) {
      if (api::StringOr(api::Member(object, "status"), stream).size() > op::kInlineOutputBytes) {
        Problem("I8: too long inline: " + kube::KeyOf(object).name);
      }
    }
  }
  std::set<std::string> sandboxes;
  for (const Json& object : server_->All(kube::kSandboxes)) {
    sandboxes.insert(api::MetaFromJson(object).uid);
  }
  for (const kube::Resource* resource : {&kube::kPods, &kube::kSecrets}) {
    for (const Json& object : server_->All(*resource, "agents")) {
      const auto owners = api::MetaFromJson(object).owners;
      if (owners.empty() || !sandboxes.contains(owners[0].uid)) {
        Problem("I7: outlived its Sandbox: " + kube::KeyOf(object).name);
      }
    }
  }
}

}  // namespace sandgate::sim
