#include "operator/policy_watch.h"

#include "libs/base/log.h"

namespace sandgate::op {
namespace {

base::Result<api::Json> AsIs(const api::Json& json) {
  return json;
}

base::Result<Labels> LabelsOf(const api::Json& json) {
  return api::MetaFromJson(json).labels;
}

api::Json ReferenceTo(const api::Json& config_map) {
  const api::ObjectMeta meta = api::MetaFromJson(config_map);
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"namespace", meta.ns}, {"name", meta.name}, {"uid", meta.uid}}}};
}

}  // namespace

PolicyWatch::PolicyWatch(const kube::Api& api, const std::string& ns, const std::string& base_name,
                         PolicyFile& file, PolicyStore& store, kube::EventRecorder& events,
                         PolicyWatchCallbacks callbacks)
    : file_(file),
      store_(store),
      events_(events),
      callbacks_(std::move(callbacks)),
      policies_(api, {kube::kConfigMaps, ns, std::string(kPolicyLabel) + "=true", ""}, AsIs,
                [this](const kube::Key& key, const JsonPtr&, const JsonPtr& after) {
                  PolicyChanged(key, after);
                }),
      namespaces_(api, {kube::kNamespaces, "", "", ""}, LabelsOf,
                  [this](const kube::Key& key, const auto& before, const auto& after) {
                    if (before && after && *before == *after) return;
                    if (after) {
                      store_.PutNamespace(key.name, *after);
                    } else {
                      store_.RemoveNamespace(key.name);
                    }
                    callbacks_.namespace_changed(key.name);
                  }) {
  if (base_name.empty()) return;
  base_.emplace(
      api, kube::ReflectorOptions{kube::kConfigMaps, ns, "", "metadata.name=" + base_name}, AsIs,
      [this](const kube::Key&, const JsonPtr&, const JsonPtr& after) { BaseChanged(after); });
}

void PolicyWatch::Start() {
  if (base_) base_->Start();
  policies_.Start();
  namespaces_.Start();
}

void PolicyWatch::Stop() {
  if (base_) base_->Stop();
  policies_.Stop();
  namespaces_.Stop();
}

bool PolicyWatch::HasSynced() const {
  return (!base_ || base_->HasSynced()) && policies_.HasSynced() && namespaces_.HasSynced();
}

void PolicyWatch::BaseChanged(const JsonPtr& after) {
  const api::Json data = after ? api::Member(*after, "data") : api::Json();
  if (!data.is_object() || !data.contains(kBasePolicyKey)) {
    (void)file_.Offer(base::Status(  // it logs what is wrong
        base::Code::kInvalidArgument,
        std::string("the ConfigMap is gone, or has no ") + kBasePolicyKey));
    return;
  }
  const base::Status status = file_.Offer(api::StringOr(data, kBasePolicyKey));
  events_.Record(ReferenceTo(*after),
                 status.ok() ? kube::EventType::kNormal : kube::EventType::kWarning,
                 status.ok() ? "PolicyInUse" : "PolicyRefused",
                 status.ok() ? "The deployment's policy is in use."
                             : "The last good policy stays: " + status.message());
}

void PolicyWatch::PolicyChanged(const kube::Key& key, const JsonPtr& after) {
  if (!after) {
    store_.Remove(key.name);
    base::LogInfo("namespace policy gone", {{"policy", key.name}});
    callbacks_.changed();
    return;
  }
  const PolicyChange change = store_.Put(*after);
  if (change.told && change.problem.empty()) {
    base::LogInfo("namespace policy in use", {{"policy", key.name}});
    events_.Record(ReferenceTo(*after), kube::EventType::kNormal, "PolicyInUse",
                   "The policy is in use in the namespaces it is bound to.");
  } else if (change.told) {
    base::LogError("namespace policy refused", {{"policy", key.name}, {"error", change.problem}});
    events_.Record(ReferenceTo(*after), kube::EventType::kWarning, "PolicyRefused",
                   std::string(change.changed ? "Nothing runs in its namespaces: "
                                              : "The last good version stays: ") +
                       change.problem);
  }
  if (change.changed) callbacks_.changed();
}

}  // namespace sandgate::op
