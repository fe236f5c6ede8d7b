#include "operator/sandbox_controller.h"

#include <algorithm>

#include "libs/base/log.h"
#include "operator/apply.h"
#include "operator/audit_records.h"
#include "operator/pod_builder.h"

namespace sandgate::op {
namespace {

using base::Code;
using base::Status;

constexpr std::chrono::seconds kRefusedRetry{10};
constexpr std::chrono::seconds kCacheDelay{5};
constexpr std::chrono::milliseconds kSoon{50};
constexpr std::chrono::seconds kNameTaken{2};

// What the API server refuses for a reason that a human has to mend.
bool IsRefusal(Code code) {
  return code == Code::kPermissionDenied || code == Code::kInvalidArgument;
}

}  // namespace

void Requeue(const Status& status, const kube::Key& key, kube::WorkQueue* queue) {
  if (status.ok()) return queue->Forget(key);
  // A lost compare-and-swap is no failure: the newer object is on its way.
  if (status.code() == Code::kConflict) return queue->AddAfter(key, kSoon);
  queue->AddRateLimited(key);
}

SandboxController::SandboxController(ControllerParts parts,
                                     const http::CertificateAuthority& authority,
                                     kube::WorkQueue& queue)
    : parts_(std::move(parts)),
      authority_(authority),
      queue_(queue),
      started_(parts_.clock.Now()) {}

void SandboxController::Start(int workers) {
  for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { Work(); });
}

void SandboxController::Stop() {
  queue_.ShutDown();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void SandboxController::Work() {
  while (const auto key = queue_.Get()) {
    const Status status = Reconcile(*key);
    if (!status.ok() && status.code() != Code::kConflict) {
      base::LogWarning("sandbox: a pass failed, it comes again",
                       {{"sandbox", key->ToString()}, {"error", status.ToString()}});
    }
    Requeue(status, *key, &queue_);
    queue_.Done(*key);
  }
}

void SandboxController::Change(const std::string& uid, const std::function<void(Memory*)>& change) {
  const std::lock_guard<std::mutex> lock(mutex_);
  change(&memory_[uid]);
}

void SandboxController::Used(const kube::Key& sandbox) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto uid = uids_.find(sandbox);
  if (uid != uids_.end()) memory_[uid->second].last_use = parts_.clock.Now();
}

// Nothing runs by it, so nothing waits for it.
void SandboxController::Say(const char* event, const api::Sandbox& sandbox,
                            const std::string& reason) {
  const Status said = parts_.audit.Append(SandboxRecord(event, sandbox, reason));
  if (!said.ok()) {
    base::LogError("audit: a record is lost", {{"event", event}, {"error", said.message()}});
  }
}

void SandboxController::Forget(const kube::Key& key) {
  std::string uid;
  std::shared_ptr<const api::Sandbox> last;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = uids_.find(key);
    if (found == uids_.end()) return;
    uid = found->second;
    last = memory_[uid].sandbox;
    memory_.erase(uid);
    uids_.erase(found);
  }
  if (last) Say("sandbox.deleted", *last, "");
  parts_.runners.ForgetSandbox(uid);
  if (parts_.isolation != nullptr) parts_.isolation->Forget(uid);
  parts_.caches.written_sandboxes().Forget(key);
}

SandboxObserved SandboxController::Gather(const kube::Key& key, const Caches::SandboxPtr& sandbox,
                                          const Caches::PodPtr& pod) {
  SandboxObserved seen;
  seen.sandbox = sandbox.get();
  seen.pod = pod.get();
  if (!sandbox) return seen;
  seen.isolated = parts_.caches.Isolated(BuildNetworkPolicies(key.ns, parts_.settings));
  seen.probe = parts_.runners.ProbeOf(sandbox->meta.uid);
  if (parts_.isolation != nullptr) seen.isolation = parts_.isolation->ViewOf(sandbox->meta.uid);
  seen.guard = parts_.guard();
  for (const auto& execution : parts_.caches.Executions()) {
    if (execution->meta.ns == key.ns && execution->spec.sandbox_name == key.name &&
        !execution->status.terminal()) {
      ++seen.activity.active;
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string& known = uids_[key];
  if (known != sandbox->meta.uid) {
    // An earlier one of the same name.
    if (const auto old = memory_.find(known); old != memory_.end() && old->second.sandbox) {
      Say("sandbox.deleted", *old->second.sandbox, "");
    }
    memory_.erase(known);
    if (parts_.isolation != nullptr) parts_.isolation->Forget(known);
    if (!sandbox->status.phase) Say("sandbox.created", *sandbox, "");
  }
  known = sandbox->meta.uid;
  Memory& memory = memory_[sandbox->meta.uid];
  memory.sandbox = sandbox;
  seen.secret_made = memory.secret_made;
  seen.secret_deleted = memory.secret_deleted;
  seen.refused = memory.refused;
  seen.retry_at = memory.retry_at;
  seen.activity.last = std::max(started_, memory.last_use);
  return seen;
}

Status SandboxController::Reconcile(const kube::Key& key) {
  const Caches::SandboxPtr sandbox = parts_.caches.Sandbox(key);
  const Caches::PodPtr pod = parts_.caches.Pod(PodOfSandbox(key));
  if (!sandbox && !pod) {
    Forget(key);
    return Status::Ok();
  }
  const PolicyView policy = parts_.policy(key.ns);
  if (!policy.known) {
    queue_.AddAfter(key, kLabelsWait);
    return Status::Ok();
  }
  SandboxObserved seen = Gather(key, sandbox, pod);
  seen.policy_refused = policy.refused;
  if (sandbox && !pod) {
    // A pod that we made is there, whatever a cache that is behind may say.
    const std::lock_guard<std::mutex> lock(mutex_);
    const Memory& memory = memory_[sandbox->meta.uid];
    const base::Time now = parts_.clock.Now();
    if (!memory.pod_made.empty() && now < memory.made_until && !sandbox->meta.deleting() &&
        sandbox->status.pod_uid.empty()) {
      queue_.AddAfter(key, memory.made_until - now);
      return Status::Ok();
    }
  }
  const base::Time now = parts_.clock.Now();
  const SandboxPlan plan = ReconcileSandbox(seen, *policy.policy, parts_.settings, now);
  if (plan.again_at) queue_.AddAfter(key, std::max<base::Duration>(kSoon, *plan.again_at - now));
  return Apply(key, sandbox, pod, plan.action, policy.policy->sandbox().runtime_class);
}

Status SandboxController::Apply(const kube::Key& key, const Caches::SandboxPtr& sandbox,
                                const Caches::PodPtr& pod, const SandboxAction& action,
                                const std::string& runtime_class) {
  const auto drop_pod = [&](const std::string& uid) {
    const kube::Key name = PodOfSandbox(key);
    return parts_.cluster.Delete(kube::kPods, name.ns, name.name, uid);
  };
  const auto drop_sandbox = [&](const char* why) {
    parts_.events.Record(Reference("Sandbox", sandbox->meta), kube::EventType::kNormal, why,
                         "The Sandbox is deleted: its time is over.");
    Say("sandbox.expired", *sandbox, why);
    return parts_.cluster.Delete(kube::kSandboxes, key.ns, key.name, sandbox->meta.uid);
  };
  return std::visit(
      Overloaded{
          [](const Idle&) { return Status::Ok(); },
          [&](const EnsureIsolation&) { return EnsureNetworkPolicies(key.ns); },
          [&](const CreateRunnerSecret&) { return MakeSecret(key, *sandbox, runtime_class); },
          [&](const CreatePod& create) {
            return MakePod(key, *sandbox, create.limits, runtime_class);
          },
          [&](const AskRunner&) {
            parts_.runners.Ask(key, sandbox->meta.uid, pod->ip);
            return Status::Ok();
          },
          [&](const ProbeIsolation&) { return Probe(key, *sandbox, *pod); },
          [&](const DeleteRunnerSecret&) {
            const Status status = DropSecret(*sandbox);
            if (status.ok()) queue_.Add(key);
            return status;
          },
          [&](const DeletePod& drop) { return drop_pod(drop.uid); },
          [&](const DeleteOrphan& orphan) { return DropOrphan(key, orphan); },
          [&](const WriteSandboxStatus& write) { return WriteStatus(key, *sandbox, write.status); },
          [&](const DeleteIdleSandbox& drop) { return DropIdle(key, *sandbox, drop.idle); },
          [&](const DeleteExpiredSandbox&) { return drop_sandbox("Expired"); }},
      action);
}

Status SandboxController::EnsureNetworkPolicies(const std::string& ns) {
  for (const api::Json& policy : BuildNetworkPolicies(ns, parts_.settings)) {
    if (parts_.caches.Isolated({policy})) continue;
    const Status created = parts_.cluster.Create(kube::kNetworkPolicies, policy).status();
    if (created.ok()) continue;
    if (created.code() != Code::kAlreadyExists) return created;
    const Status mended = parts_.cluster.ReplaceSpec(kube::kNetworkPolicies, policy);
    if (!mended.ok()) return mended;
  }
  return Status::Ok();  // the informer shows them, and wakes the namespace's Sandboxes
}

// Once for each measurement it looks which policies of others select the pod.
Status SandboxController::Probe(const kube::Key& key, const api::Sandbox& sandbox,
                                const PodFacts& pod) {
  const IsolationView before = parts_.isolation->ViewOf(sandbox.meta.uid);
  ForeignPolicies foreign = before.foreign;
  if (before.state != IsolationView::State::kAgain) {
    const auto policies = parts_.cluster.api().ListAll(kube::kNetworkPolicies, key.ns, {});
    if (!policies.ok()) return policies.status();
    foreign = FindForeignPolicies(policies->items, pod.meta.labels);
  }
  const bool fresh = sandbox.status.phase != api::SandboxPhase::kReady;
  parts_.isolation->Begin(key, sandbox.meta.uid, pod.ip, foreign, fresh);
  queue_.Add(key);  // what does not wait for the answer goes on
  return Status::Ok();
}

// Remembers why the API server said no, for the Sandbox's condition; anything else is retried.
Status SandboxController::Refused(const api::Sandbox& sandbox, const std::string& runtime_class,
                                  const Status& status) {
  if (!IsRefusal(status.code())) return status;
  const Diagnosis why = WhyRefused(status.message(), runtime_class);
  Change(sandbox.meta.uid, [&](Memory* memory) {
    memory->refused = why;
    memory->retry_at = parts_.clock.Now() + kRefusedRetry;
  });
  base::LogWarning("sandbox: the API server refused an object",
                   {{"sandbox", sandbox.meta.ns + "/" + sandbox.meta.name},
                    {"reason", why.reason},
                    {"error", status.message()}});
  queue_.Add({sandbox.meta.ns, sandbox.meta.name});
  return Status::Ok();
}

Status SandboxController::MakeSecret(const kube::Key& key, const api::Sandbox& sandbox,
                                     const std::string& runtime_class) {
  http::CertificateRequest request;
  request.common_name = "sandbox";
  request.uris = {http::SandboxUri(sandbox.meta.uid)};
  request.server = request.client = true;
  request.lifetime = kCertificateLifetime;
  const auto identity = authority_.Issue(request, parts_.clock.Now());
  if (!identity.ok()) return identity.status();
  const Status status = parts_.cluster
                            .Create(kube::kSecrets, BuildRunnerSecret(sandbox, *identity,
                                                                      authority_.certificate_pem()))
                            .status();
  // The name carries the UID: what is there already is this Sandbox's, of an earlier try.
  if (!status.ok() && status.code() != Code::kAlreadyExists)
    return Refused(sandbox, runtime_class, status);
  Change(sandbox.meta.uid, [](Memory* memory) { memory->secret_made = true; });
  queue_.Add(key);
  return Status::Ok();
}

Status SandboxController::MakePod(const kube::Key& key, const api::Sandbox& sandbox,
                                  const api::EffectiveLimits& limits,
                                  const std::string& runtime_class) {
  const auto pod =
      parts_.cluster.Create(kube::kPods, BuildPod(sandbox, limits, runtime_class, parts_.settings));
  if (pod.status().code() == Code::kAlreadyExists) {
    // The cache is behind and will wake us; or a pod without our label is in the way.
    queue_.AddAfter(key, kNameTaken);
    return Status::Ok();
  }
  if (!pod.ok()) return Refused(sandbox, runtime_class, pod.status());
  Change(sandbox.meta.uid, [&](Memory* memory) {
    memory->refused.reset();
    memory->pod_made = api::MetaFromJson(*pod).uid;
    memory->made_until = parts_.clock.Now() + kCacheDelay;
  });
  return Status::Ok();
}

Status SandboxController::DropSecret(const api::Sandbox& sandbox) {
  const Status status = parts_.cluster.Delete(kube::kSecrets, sandbox.meta.ns,
                                              RunnerSecretName(sandbox.meta.uid), "");
  if (status.ok()) {
    Change(sandbox.meta.uid, [](Memory* memory) { memory->secret_deleted = true; });
  }
  return status;
}

Status SandboxController::DropOrphan(const kube::Key& key, const DeleteOrphan& orphan) {
  const auto owner = parts_.cluster.api().Get(kube::kSandboxes, key.ns, key.name);
  if (!owner.ok() && owner.status().code() != Code::kNotFound) return owner.status();
  if (owner.ok() && api::MetaFromJson(*owner).uid == orphan.sandbox_uid) return Status::Ok();
  const kube::Key pod = PodOfSandbox(key);
  return parts_.cluster.Delete(kube::kPods, pod.ns, pod.name, orphan.pod_uid);
}

void SandboxController::SayIsolation(const api::Sandbox& before, const api::SandboxStatus& after) {
  const api::Condition* now = api::FindCondition(after.conditions, kNetworkIsolatedCondition);
  if (now == nullptr || now->status != "False") return;
  const api::Condition* then =
      api::FindCondition(before.status.conditions, kNetworkIsolatedCondition);
  if (then != nullptr && then->status == "False") return;
  parts_.events.Record(Reference("Sandbox", before.meta), kube::EventType::kWarning,
                       "NetworkNotIsolated", now->message);
}

Status SandboxController::WriteStatus(const kube::Key& key, const api::Sandbox& sandbox,
                                      const api::SandboxStatus& status) {
  const auto written =
      parts_.cluster.PatchStatus(kube::kSandboxes, sandbox.meta, api::ToJson(status));
  if (!written.ok()) {
    return written.status().code() == Code::kNotFound ? Status::Ok() : written.status();
  }
  auto parsed = api::Sandbox::FromJson(*written);
  if (parsed.ok()) {
    parts_.caches.written_sandboxes().Wrote(
        key, std::make_shared<const api::Sandbox>(std::move(parsed).value()));
  }
  SayIsolation(sandbox, status);
  const api::Condition* ready = api::FindCondition(status.conditions, "Ready");
  const bool good = ready != nullptr && ready->status == "True";
  if (ready != nullptr && status.phase != sandbox.status.phase) {
    parts_.events.Record(Reference("Sandbox", sandbox.meta),
                         good ? kube::EventType::kNormal : kube::EventType::kWarning, ready->reason,
                         ready->message);
    if (good) Say("sandbox.ready", api::Sandbox{sandbox.meta, sandbox.spec, status}, "");
    if (status.phase == api::SandboxPhase::kFailed) {
      Say("sandbox.failed", api::Sandbox{sandbox.meta, sandbox.spec, status}, ready->reason);
    }
    base::LogInfo("sandbox: new phase",
                  {{"sandbox", key.ToString()},
                   {"phase", status.phase ? api::SandboxPhaseName(*status.phase) : ""},
                   {"reason", ready->reason}});
  }
  queue_.Add(key);
  return Status::Ok();
}

// One list shows whether it was used while nobody watched.
Status SandboxController::DropIdle(const kube::Key& key, const api::Sandbox& sandbox,
                                   std::chrono::seconds idle) {
  kube::ListOptions options;
  options.field_selector = "spec.sandboxName=" + key.name;
  const auto page = parts_.cluster.api().ListAll(kube::kExecutions, key.ns, options);
  if (!page.ok()) return page.status();
  base::Time last = sandbox.meta.creation_time.value_or(started_);
  for (const api::Json& json : page->items) {
    const auto execution = api::Execution::FromJson(json);
    if (!execution.ok()) continue;
    if (!execution->status.terminal()) return Status::Ok();  // in use
    last = std::max(last, execution->status.completion_time.value_or(last));
  }
  if (parts_.clock.Now() < last + idle) {
    Change(sandbox.meta.uid, [last](Memory* memory) { memory->last_use = last; });
    queue_.AddAfter(key, last + idle - parts_.clock.Now());
    return Status::Ok();
  }
  parts_.events.Record(
      Reference("Sandbox", sandbox.meta), kube::EventType::kNormal, "Idle",
      "The Sandbox is deleted: nothing ran in it for " + std::to_string(idle.count()) + " s.");
  Say("sandbox.expired", sandbox, "Idle");
  return parts_.cluster.Delete(kube::kSandboxes, key.ns, key.name, sandbox.meta.uid);
}

}  // namespace sandgate::op
