// Agents, approvers, kubelets and vandals of the simulated cluster.
#include "tests/sim/sim_world.h"

namespace sandgate::sim {
namespace {

using api::Json;

constexpr char kNs[] = "agents";

Json NewObject(const char* kind, const std::string& name, Json spec) {
  return {{"apiVersion", api::kApiVersion},
          {"kind", kind},
          {"metadata", {{"namespace", kNs}, {"name", name}}},
          {"spec", std::move(spec)}};
}

}  // namespace

std::optional<Json> World::PickOne(const kube::Resource& resource) {
  const std::vector<Json> all = server_->All(resource, kNs);
  if (all.empty()) return std::nullopt;
  return all[chance_.Pick(all.size())];
}

void World::AgentActs() {
  const std::string sandbox = "box-" + std::to_string(chance_.Pick(2));
  const Json requester = {{"username", "agent"}};
  switch (chance_.Pick(6)) {
    case 0:
      if (server_->Find(kube::kSandboxes, kNs, sandbox)) return;
      server_->Put(
          kube::kSandboxes,
          NewObject("Sandbox", sandbox,
                    {{"language", "python"},
                     {"requester", requester},
                     {"network",
                      {{"enabled", true}, {"allowedDomains", {"A.example.", "*.b.example"}}}}}));
      return;
    case 1:
      if (!chance_.OneIn(8)) return;
      server_->Remove(kube::kSandboxes, kNs, sandbox);
      return;
    case 2:
      if (const auto one = PickOne(kube::kExecutions); one && chance_.OneIn(3)) {
        server_->Put(kube::kExecutions,
                     NewObject("Execution", kube::KeyOf(*one).name, {{"cancel", true}}));
      }
      return;
    default:
      break;
  }
  if (created_ >= 12) return;
  const std::string name = "run-" + std::to_string(++created_);
  const std::string code = name + (chance_.OneIn(2) ? " risky" : " plain");
  Json spec = {{"sandboxName", sandbox},
               {"operation", "Execute"},
               {"execute", {{"language", "python"}, {"code", code}}},
               {"requester", requester}};
  if (chance_.OneIn(3)) {
    // The last one is refused.
    const Json asked[] = {Json::array(), Json::array({"a.example"}),
                          Json::array({"X.b.example", "a.example"}), Json::array({"c.example"})};
    spec["network"] = {{"enabled", true}, {"allowedDomains", asked[chance_.Pick(4)]}};
  }
  server_->Put(kube::kExecutions, NewObject("Execution", name, std::move(spec)));
}

// As the API server's rules would let them: once, and only while Pending. The requester's own
// decision stands for a cluster whose rules were switched off: the operator must not take it.
void World::ApproverActs() {
  std::vector<Json> open;
  for (Json& approval : server_->All(kube::kApprovals, kNs)) {
    const bool pending = api::StringOr(api::Member(approval, "status"), "phase") == "Pending";
    if (pending && !api::Member(api::Member(approval, "spec"), "decision").is_object()) {
      open.push_back(std::move(approval));
    }
  }
  if (open.empty()) return;
  const Json* one = &open[chance_.Pick(open.size())];
  if (chance_.OneIn(10)) {
    server_->Remove(kube::kApprovals, kNs, kube::KeyOf(*one).name);
    return;
  }
  if (chance_.OneIn(3)) return;  // lets it expire, perhaps
  const Json decision = {{"verdict", chance_.OneIn(3) ? "Denied" : "Approved"},
                         {"decidedBy", chance_.OneIn(5) ? "agent" : "boss"}};
  server_->Put(kube::kApprovals,
               NewObject("Approval", kube::KeyOf(*one).name, {{"decision", decision}}));
}

void World::VandalActs() {
  switch (chance_.Pick(4)) {
    case 0:
      guard_broken_ = chance_.OneIn(3);
      return;
    case 1:
      server_->Remove(kube::kNetworkPolicies, kNs, op::kIsolationPolicy);
      return;
    case 2:
      if (const auto pod = PickOne(kube::kPods)) {
        runners_.Kill(api::StringOr(api::Member(*pod, "status"), "podIP"));
        server_->Remove(kube::kPods, kNs, kube::KeyOf(*pod).name);
      }
      return;
    default:
      if (const auto one = PickOne(kube::kExecutions); one && chance_.OneIn(3)) {
        server_->Remove(kube::kExecutions, kNs, kube::KeyOf(*one).name);
      }
  }
}

void World::PutEgressService() {
  server_->Put(kube::kServices,
               {{"metadata", {{"namespace", settings_.ns}, {"name", "sandgate-egress"}}},
                {"spec", {{"clusterIP", "10.96.0.7"}}}});
}

// Takes the way out away, and puts it back.
void World::EgressVandalActs() {
  switch (chance_.Pick(6)) {
    case 0:
      server_->Remove(kube::kServices, settings_.ns, "sandgate-egress");
      return;
    case 1:
      server_->Remove(kube::kSecrets, settings_.ns, op::kEgressSigningSecret);
      server_->Remove(kube::kConfigMaps, settings_.ns, op::kEgressKeysConfigMap);
      return;
    case 2:
      server_->Remove(kube::kConfigMaps, settings_.ns, op::kEgressKeysConfigMap);
      return;
    case 3:
      if (const auto sandbox = PickOne(kube::kSandboxes)) {
        const Json condition = {{"type", op::kNetworkIsolatedCondition},
                                {"status", chance_.OneIn(2) ? "False" : "True"},
                                {"reason", "BySimulator"}};
        server_->Put(kube::kSandboxes,
                     {{"metadata", {{"namespace", kNs}, {"name", kube::KeyOf(*sandbox).name}}},
                      {"status", {{"conditions", Json::array({condition})}}}});
      }
      return;
    default:
      PutEgressService();
  }
}

// Starts pods, ends some of them; what is deleted is gone at once. Addresses are reused.
bool World::KubeletActs() {
  std::set<std::string> alive;
  for (const Json& pod : server_->All(kube::kPods)) alive.insert(api::MetaFromJson(pod).uid);
  for (auto it = pod_of_ip_.begin(); it != pod_of_ip_.end();) {
    if (!alive.contains(it->second)) {
      runners_.Kill(it->first);
      it = pod_of_ip_.erase(it);
    } else {
      ++it;
    }
  }
  const auto pod = PickOne(kube::kPods);
  if (!pod) return false;
  const api::ObjectMeta meta = api::MetaFromJson(*pod);
  const std::string phase = api::StringOr(api::Member(*pod, "status"), "phase");
  Json status;
  if (phase.empty() || phase == "Pending") {
    std::string ip;
    for (int i = 1; ip.empty() || pod_of_ip_.contains(ip); ++i) ip = "10.0.0." + std::to_string(i);
    pod_of_ip_[ip] = meta.uid;
    runners_.Boot(ip, meta.owners.empty() ? "" : meta.owners[0].uid);
    status = {{"phase", "Running"},
              {"podIP", ip},
              {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}};
  } else if (phase == "Running" && faults_ && chance_.OneIn(60)) {
    runners_.Kill(api::StringOr(api::Member(*pod, "status"), "podIP"));
    status = {{"phase", "Failed"}, {"reason", chance_.OneIn(2) ? "Evicted" : ""}};
  } else {
    return false;
  }
  server_->Put(kube::kPods, {{"apiVersion", "v1"},
                             {"kind", "Pod"},
                             {"metadata", {{"namespace", meta.ns}, {"name", meta.name}}},
                             {"status", status}});
  return true;
}

}  // namespace sandgate::sim
