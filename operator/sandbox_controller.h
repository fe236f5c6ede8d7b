// Carries out what sandbox_logic decides: gathers what is known, asks for the plan, does it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libs/audit/log.h"
#include "libs/http/tls.h"
#include "libs/kube/events.h"
#include "libs/kube/work_queue.h"
#include "operator/caches.h"
#include "operator/cluster.h"
#include "operator/egress_grants.h"
#include "operator/isolation_prober.h"
#include "operator/policy_store.h"
#include "operator/runner_client.h"
#include "operator/sandbox_logic.h"

namespace sandgate::op {

inline constexpr std::chrono::milliseconds kLabelsWait{200};  // for a namespace nobody saw yet

// What both controllers work with. Everything outlives them.
struct ControllerParts {
  const Settings& settings;
  const base::Clock& clock;
  Caches& caches;
  Cluster& cluster;
  RunnerClient& runners;
  kube::EventRecorder& events;
  audit::Sink& audit;
  std::function<PolicyView(const std::string& ns)> policy;
  std::function<GuardView()> guard;
  EgressGrants& egress;
  IsolationProber* isolation = nullptr;  // null: nothing is measured
};

// Thread-safe. Start and Stop once each.
class SandboxController {
 public:
  SandboxController(ControllerParts parts, const http::CertificateAuthority& authority,
                    kube::WorkQueue& queue);

  void Start(int workers);
  void Stop();

  // An Execution of that sandbox ended: the idle clock starts again.
  void Used(const kube::Key& sandbox);
  // One pass over one Sandbox. Public for the simulator.
  base::Status Reconcile(const kube::Key& key);

 private:
  // What this process remembers of one Sandbox, by its UID.
  struct Memory {
    std::shared_ptr<const api::Sandbox> sandbox;  // as it was seen last
    bool secret_made = false, secret_deleted = false;
    std::optional<Diagnosis> refused;
    base::Time retry_at;
    base::Time last_use;
    std::string pod_made;   // UID of a pod of ours that the cache has not seen yet
    base::Time made_until;  // for so long we wait to see it
  };

  void Work();
  SandboxObserved Gather(const kube::Key& key, const Caches::SandboxPtr& sandbox,
                         const Caches::PodPtr& pod);
  base::Status Apply(const kube::Key& key, const Caches::SandboxPtr& sandbox,
                     const Caches::PodPtr& pod, const SandboxAction& action,
                     const std::string& runtime_class);
  base::Status EnsureNetworkPolicies(const std::string& ns);
  base::Status Probe(const kube::Key& key, const api::Sandbox& sandbox, const PodFacts& pod);
  base::Status MakeSecret(const kube::Key& key, const api::Sandbox& sandbox,
                          const std::string& runtime_class);
  base::Status MakePod(const kube::Key& key, const api::Sandbox& sandbox,
                       const api::EffectiveLimits& limits, const std::string& runtime_class);
  base::Status DropSecret(const api::Sandbox& sandbox);
  base::Status DropOrphan(const kube::Key& key, const DeleteOrphan& orphan);
  base::Status WriteStatus(const kube::Key& key, const api::Sandbox& sandbox,
                           const api::SandboxStatus& status);
  base::Status DropIdle(const kube::Key& key, const api::Sandbox& sandbox,
                        std::chrono::seconds idle);
  base::Status Refused(const api::Sandbox& sandbox, const std::string& runtime_class,
                       const base::Status& status);
  void Change(const std::string& uid, const std::function<void(Memory*)>& change);
  void Forget(const kube::Key& key);
  void SayIsolation(const api::Sandbox& before, const api::SandboxStatus& after);
  void Say(const char* event, const api::Sandbox& sandbox, const std::string& reason);

  ControllerParts parts_;
  const http::CertificateAuthority& authority_;
  kube::WorkQueue& queue_;
  base::Time started_;
  std::mutex mutex_;
  std::map<std::string, Memory> memory_;   // by UID; guarded by mutex_
  std::map<kube::Key, std::string> uids_;  // of the Sandboxes in memory_; guarded by mutex_
  std::vector<std::thread> workers_;
};

// The one way from a pass's outcome to the queue: done, again soon, or again after a growing delay.
void Requeue(const base::Status& status, const kube::Key& key, kube::WorkQueue* queue);

}  // namespace sandgate::op
