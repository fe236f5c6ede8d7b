// Which policy holds in a namespace: the deployment's, or one laid over it that is bound to the
// namespace by name or by label. What it knows is fed to it; nothing here reads or waits.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libs/api/json.h"
#include "libs/policy/policy.h"
#include "operator/label_selector.h"
#include "operator/refusal.h"

namespace sandgate::op {

inline constexpr char kPolicyLabel[] = "sandgate.dev/policy";  // "true" on such a ConfigMap
inline constexpr char kPolicyNamespaces[] = "sandgate.dev/namespaces";
inline constexpr char kPolicySelector[] = "sandgate.dev/namespace-selector";
inline constexpr char kPolicyKey[] = "sandgate.yaml";
inline constexpr size_t kMaxNamespacePolicies = 256;
inline constexpr size_t kMaxBoundNamespaces = 256;  // by name, of one policy

// What holds for one namespace now.
struct PolicyView {
  // The deployment's where `refused` is set, so that what runs already can end. Null only before
  // the deployment has any.
  std::shared_ptr<const policy::Policy> policy;
  // No policy can be told (PolicyAmbiguous, PolicyInvalid): nothing new may run.
  std::optional<Refusal> refused;
  // false: the namespace's labels are not known yet; ask again soon.
  bool known = true;
};

// What became of a ConfigMap that was fed.
struct PolicyChange {
  bool changed = false;  // what some namespace is told may be another thing now
  bool told = false;     // its state is news: worth an Event
  std::string problem;   // "" when it is in use
};

// Thread-safe.
class PolicyStore {
 public:
  // Everything is laid over it anew; one that no longer fits keeps its last good version.
  void SetBase(std::shared_ptr<const policy::Policy> base, const std::string& yaml);

  // A ConfigMap with the label, as the API server shows it. A content that is refused changes
  // nothing while a good one is known; without one its namespaces are refused.
  PolicyChange Put(const api::Json& config_map);
  void Remove(const std::string& name);

  void PutNamespace(const std::string& name, Labels labels);
  void RemoveNamespace(const std::string& name);

  PolicyView For(const std::string& ns) const;
  // By name: whether what is in use is what its ConfigMap says.
  std::map<std::string, bool> Health() const;

 private:
  struct Binding {
    std::set<std::string> namespaces;
    std::optional<LabelSelector> selector;
  };
  struct Entry {
    std::string yaml;  // as last seen
    std::string good_yaml;
    Binding binding;         // of the last good version; before there is one, of the latest
    bool binds_all = false;  // the binding was never readable: nobody knows whose it is
    std::shared_ptr<const policy::Policy> good;
    std::string problem;   // with the latest content
    bool refused = false;  // the ConfigMap itself was not taken
  };

  static base::Result<Binding> ReadBinding(const api::Json& config_map);
  base::Result<std::shared_ptr<const policy::Policy>> Compile(const std::string& name,
                                                              const std::string& yaml) const;
  void LayAnew(const std::string& name, Entry* entry) const;

  mutable std::mutex mutex_;
  std::shared_ptr<const policy::Policy> base_;  // guarded by mutex_
  std::string base_yaml_;                       // guarded by mutex_
  std::map<std::string, Entry> entries_;        // guarded by mutex_
  std::map<std::string, Labels> namespaces_;    // guarded by mutex_
};

}  // namespace sandgate::op
