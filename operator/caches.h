// What the operator knows of the cluster: one informer a kind, each of what is active only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/api/approval.h"
#include "libs/api/execution.h"
#include "libs/api/sandbox.h"
#include "libs/kube/informer.h"
#include "operator/latest.h"
#include "operator/pod_facts.h"

namespace sandgate::op {

// Whom a change concerns. Called on informer threads; must not block.
struct CacheCallbacks {
  std::function<void(const kube::Key& sandbox)> sandbox;
  std::function<void(const kube::Key& execution)> execution;
  // An Execution left the active ones: finished, or gone.
  std::function<void(const api::Execution& last)> execution_left;
  // A NetworkPolicy of ours changed in that namespace.
  std::function<void(const std::string& ns)> isolation;
};

// Thread-safe.
class Caches {
 public:
  using SandboxPtr = std::shared_ptr<const api::Sandbox>;
  using ExecutionPtr = std::shared_ptr<const api::Execution>;
  using ApprovalPtr = std::shared_ptr<const api::Approval>;
  using PodPtr = std::shared_ptr<const PodFacts>;

  Caches(const kube::Api& api, CacheCallbacks callbacks);

  void Start();
  void Stop();
  bool HasSynced() const;

  // For simulators, instead of Start: one change of an object that the selectors match (`after`
  // null: it is gone, or matches no more).
  void Feed(const std::string& plural, const kube::Key& key, const api::Json* after);

  SandboxPtr Sandbox(const kube::Key& key);
  ExecutionPtr Execution(const kube::Key& key);
  // Of Approvals only those that are not settled are cached: null says nothing about the others.
  ApprovalPtr Approval(const kube::Key& key);
  PodPtr Pod(const kube::Key& key) const { return pods_.Get(key); }
  // Active ones, each in its newest state.
  std::vector<ExecutionPtr> Executions();
  std::vector<SandboxPtr> Sandboxes() const { return sandboxes_.List(); }
  std::vector<ApprovalPtr> Approvals() const { return approvals_.List(); }
  // Whether the namespace's NetworkPolicies say exactly what these do.
  bool Isolated(const std::vector<api::Json>& expected) const;

  Latest<api::Sandbox>& written_sandboxes() { return written_sandboxes_; }
  Latest<api::Execution>& written_executions() { return written_executions_; }
  Latest<api::Approval>& written_approvals() { return written_approvals_; }

 private:
  CacheCallbacks callbacks_;
  Latest<api::Sandbox> written_sandboxes_;
  Latest<api::Execution> written_executions_;
  Latest<api::Approval> written_approvals_;
  kube::Informer<api::Sandbox> sandboxes_;
  kube::Informer<api::Execution> executions_;
  kube::Informer<api::Approval> approvals_;
  kube::Informer<PodFacts> pods_;
  kube::Informer<api::Json> networks_;
};

// The Sandbox whose pod has that name, whether it exists or not.
kube::Key SandboxOfPod(const kube::Key& pod);
kube::Key PodOfSandbox(const kube::Key& sandbox);

}  // namespace sandgate::op
