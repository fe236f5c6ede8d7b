// The operator as a whole: everything that lives as long as the process, and how it is wired.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "libs/audit/log.h"
#include "libs/http/server.h"
#include "libs/kube/leader.h"
#include "operator/certificates.h"
#include "operator/egress_grants.h"
#include "operator/execution_controller.h"
#include "operator/janitor.h"
#include "operator/metrics.h"
#include "operator/options.h"
#include "operator/policy_file.h"
#include "operator/policy_guard.h"
#include "operator/policy_store.h"
#include "operator/policy_watch.h"
#include "operator/probe_listener.h"
#include "operator/webhook.h"

namespace sandgate::op {

// Start once, Stop once, from one thread; MetricsText and Ready from any.
class Operator {
 public:
  // Makes or reads the authority and the gateway's certificate. Fails where nothing could work.
  static base::Result<std::unique_ptr<Operator>> Create(const Options& options, kube::Api api);
  ~Operator();

  // Fills the caches and stands for election. `on_lost` (any thread): the lead is lost, and the
  // process has to end, since another operator acts now.
  void Start(std::function<void()> on_lost);
  void Stop();
  // What is due now and then: certificates and keys. Blocks for a few API calls; call it hourly.
  void Maintain();
  // The same for what the egress proxy waits for, while there is something; call it each minute.
  void MaintainEgress();

  bool Ready() const { return Synced() && !audit_closed_; }
  std::string MetricsText();

 private:
  Operator(const Options& options, Settings settings, kube::Api api,
           http::CertificateAuthority authority, std::unique_ptr<http::Client> client,
           std::unique_ptr<ProbeListener> listener);

  base::Status EnsureEgress(base::Time now);
  void LookAfterEgress(base::Time now);
  void StartLeading();
  bool Synced() const { return caches_.HasSynced() && policy_watch_.HasSynced(); }
  std::unique_ptr<IsolationProber> NewProber();
  CacheCallbacks Callbacks();
  ExecutionObserver Observer();
  ControllerParts Parts();
  void BaseChanged();
  void WakeEverything();
  void WakeNamespace(const std::string& ns);
  void WakeSandbox(const kube::Key& sandbox);
  bool OpenAudit();
  void SayPolicy();
  void SayGuard();
  void Lead();
  void AnnounceAgain();

  const Options options_;
  const Settings settings_;
  kube::Api api_;
  http::CertificateAuthority authority_;
  base::Time identity_made_;
  bool egress_certified_ = false;
  Metrics metrics_;
  std::unique_ptr<Webhook> webhook_;  // null: nobody is told
  Cluster cluster_;
  kube::EventRecorder events_;
  kube::WorkQueue sandbox_queue_, execution_queue_;
  audit::Log audit_;
  PolicyStore policies_;
  PolicyFile policy_;
  PolicyWatch policy_watch_;
  PolicyGuard guard_;
  Caches caches_;
  std::unique_ptr<ProbeListener> probe_listener_;  // null: isolation is not measured
  std::unique_ptr<IsolationProber> isolation_;     // null: the same
  RunnerClient runners_;
  EgressGrants egress_;
  SandboxController sandboxes_;
  ExecutionController executions_;
  Janitor janitor_;
  std::atomic<bool> leading_ = false;
  std::atomic<bool> audit_closed_ = false;  // leads, and may not act: its log cannot be opened
  std::mutex leader_mutex_;
  std::thread leader_work_;  // guarded by leader_mutex_ until stopping_
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<kube::LeaderElector> elector_;
};

// Settings as the command line and the environment give them.
Settings SettingsFrom(const Options& options);

}  // namespace sandgate::op
