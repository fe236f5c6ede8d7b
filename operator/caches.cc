#include "operator/caches.h"

#include "operator/compare.h"
#include "operator/pod_builder.h"
#include "operator/settings.h"

namespace sandgate::op {
namespace {

kube::ReflectorOptions Active(const kube::Resource& resource,
                              const std::vector<const char*>& over) {
  std::string selector;
  for (const char* phase : over) {
    if (!selector.empty()) selector += ',';
    selector += std::string("status.phase!=") + phase;
  }
  return {resource, "", "", selector};
}

base::Result<api::Json> AsIs(const api::Json& json) {
  return json;
}

}  // namespace

kube::Key SandboxOfPod(const kube::Key& pod) {
  const std::string prefix = kPodPrefix;
  return {pod.ns, pod.name.starts_with(prefix) ? pod.name.substr(prefix.size()) : pod.name};
}

kube::Key PodOfSandbox(const kube::Key& sandbox) {
  return {sandbox.ns, PodName(sandbox.name)};
}

Caches::Caches(const kube::Api& api, CacheCallbacks callbacks)
    : callbacks_(std::move(callbacks)),
      sandboxes_(
          api, {kube::kSandboxes, "", "", ""}, api::Sandbox::FromJson,
          [this](const kube::Key& key, const auto&, const auto&) { callbacks_.sandbox(key); }),
      executions_(
          api,
          Active(kube::kExecutions,
                 {"Succeeded", "Failed", "TimedOut", "Denied", "Expired", "Cancelled", "Lost"}),
          api::Execution::FromJson,
          [this](const kube::Key& key, const ExecutionPtr& before, const ExecutionPtr& after) {
            if (!after) callbacks_.execution_left(*before);
            callbacks_.execution(key);
          }),
      approvals_(
          api, Active(kube::kApprovals, {"Approved", "Denied", "Expired"}), api::Approval::FromJson,
          // An Approval has the name of its Execution.
          [this](const kube::Key& key, const auto&, const auto&) { callbacks_.execution(key); }),
      pods_(api, {kube::kPods, "", kSandboxLabel, ""}, PodFacts::FromJson,
            [this](const kube::Key& key, const auto&, const auto&) {
              callbacks_.sandbox(SandboxOfPod(key));
            }),
      networks_(api,
                {kube::kNetworkPolicies, "", std::string(kManagedByLabel) + "=" + kManagedBy, ""},
                AsIs, [this](const kube::Key& key, const auto&, const auto&) {
                  callbacks_.isolation(key.ns);
                }) {}

void Caches::Start() {
  sandboxes_.Start();
  executions_.Start();
  approvals_.Start();
  pods_.Start();
  networks_.Start();
}

void Caches::Stop() {
  sandboxes_.Stop();
  executions_.Stop();
  approvals_.Stop();
  pods_.Stop();
  networks_.Stop();
}

void Caches::Feed(const std::string& plural, const kube::Key& key, const api::Json* after) {
  if (plural == kube::kSandboxes.plural) sandboxes_.Feed(key, after);
  if (plural == kube::kExecutions.plural) executions_.Feed(key, after);
  if (plural == kube::kApprovals.plural) approvals_.Feed(key, after);
  if (plural == kube::kPods.plural) pods_.Feed(key, after);
  if (plural == kube::kNetworkPolicies.plural) networks_.Feed(key, after);
}

bool Caches::HasSynced() const {
  return sandboxes_.HasSynced() && executions_.HasSynced() && approvals_.HasSynced() &&
         pods_.HasSynced() && networks_.HasSynced();
}

Caches::SandboxPtr Caches::Sandbox(const kube::Key& key) {
  return written_sandboxes_.Pick(key, sandboxes_.Get(key));
}

Caches::ExecutionPtr Caches::Execution(const kube::Key& key) {
  return written_executions_.Pick(key, executions_.Get(key));
}

Caches::ApprovalPtr Caches::Approval(const kube::Key& key) {
  return written_approvals_.Pick(key, approvals_.Get(key));
}

std::vector<Caches::ExecutionPtr> Caches::Executions() {
  std::vector<ExecutionPtr> all = executions_.List();
  for (ExecutionPtr& one : all) {
    one = written_executions_.Pick({one->meta.ns, one->meta.name}, one);
  }
  return all;
}

bool Caches::Isolated(const std::vector<api::Json>& expected) const {
  for (const api::Json& policy : expected) {
    const auto live = networks_.Get(kube::KeyOf(policy));
    if (!live) return false;
    if (!FirstDifference(api::Member(policy, "spec"), api::Member(*live, "spec")).empty()) {
      return false;
    }
  }
  return true;
}

}  // namespace sandgate::op
