// Watches what policies are made of: the deployment's ConfigMap, those of namespaces, and the
// labels of Namespaces. All ConfigMaps are in the operator's own namespace, where no tenant writes.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "libs/kube/events.h"
#include "libs/kube/informer.h"
#include "operator/policy_file.h"
#include "operator/policy_store.h"

namespace sandgate::op {

inline constexpr char kBasePolicyKey[] = "policy.yaml";

struct PolicyWatchCallbacks {
  std::function<void()> changed;                                 // for any namespace
  std::function<void(const std::string& ns)> namespace_changed;  // its labels
};

// Thread-safe. Callbacks run on informer threads and must not block.
class PolicyWatch {
 public:
  // `base_name`: the ConfigMap with the deployment's policy; "": the file alone counts.
  PolicyWatch(const kube::Api& api, const std::string& ns, const std::string& base_name,
              PolicyFile& file, PolicyStore& store, kube::EventRecorder& events,
              PolicyWatchCallbacks callbacks);

  void Start();
  void Stop();
  // Before that nothing may be judged: a stricter policy might not be known yet.
  bool HasSynced() const;

 private:
  using JsonPtr = kube::Informer<api::Json>::Ptr;

  void BaseChanged(const JsonPtr& after);
  void PolicyChanged(const kube::Key& key, const JsonPtr& after);

  PolicyFile& file_;
  PolicyStore& store_;
  kube::EventRecorder& events_;
  const PolicyWatchCallbacks callbacks_;
  std::optional<kube::Informer<api::Json>> base_;
  kube::Informer<api::Json> policies_;
  kube::Informer<Labels> namespaces_;
};

}  // namespace sandgate::op
