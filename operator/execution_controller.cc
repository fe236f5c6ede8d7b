#include "operator/execution_controller.h"

#include <algorithm>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "operator/apply.h"
#include "operator/output_store.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;
using base::Code;
using base::Status;

constexpr std::chrono::milliseconds kSoon{20};

std::string Joined(const std::vector<std::string>& domains) {
  std::string text;
  for (const std::string& domain : domains) text += (text.empty() ? "" : ", ") + domain;
  return text;
}

// A run that has started is no longer concerned by what the next one would get.
bool LooksAtEgress(const ExecutionObserved& seen) {
  if (!WantsNetwork(seen.execution->spec)) return false;
  const RunView::Stage stage = seen.run.stage;
  return stage != RunView::Stage::kAsking && stage != RunView::Stage::kAccepted &&
         stage != RunView::Stage::kFinished;
}

bool SameSandbox(const api::Execution& one, const api::Execution& other) {
  return one.meta.ns == other.meta.ns && one.spec.sandbox_name == other.spec.sandbox_name;
}

// Asks for exactly the same thing under another name.
bool SameWish(const api::Execution& one, const api::Execution& other) {
  api::ExecutionSpec spec = one.spec;
  spec.cancel = other.spec.cancel;
  return spec == other.spec;
}

bool CameBefore(const api::Execution& one, const api::Execution& other) {
  const auto order = [](const api::Execution& e) {
    return std::make_pair(e.meta.creation_time.value_or(base::Time::max()), e.meta.uid);
  };
  return order(one) < order(other);
}

}  // namespace

ExecutionController::ExecutionController(ControllerParts parts, kube::WorkQueue& queue,
                                         ExecutionObserver observer)
    : parts_(std::move(parts)),
      queue_(queue),
      observer_(std::move(observer)),
      approvals_(parts_, observer_.approvals),
      trail_(parts_.audit),
      histories_(parts_.cluster.api()) {}

void ExecutionController::Start(int workers) {
  for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { Work(); });
}

void ExecutionController::Stop() {
  queue_.ShutDown();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void ExecutionController::Work() {
  while (const auto key = queue_.Get()) {
    const Status status = Reconcile(*key);
    if (!status.ok() && status.code() != Code::kConflict) {
      base::LogWarning("execution: a pass failed, it comes again",
                       {{"execution", key->ToString()}, {"error", status.ToString()}});
    }
    Requeue(status, *key, &queue_);
    queue_.Done(*key);
  }
}

// Waits for a human, or has just been given its question: between the two lies a pass, and a crowd
// would get through there.
bool ExecutionController::Asks(const api::Execution& execution) {
  const auto phase = execution.status.phase.value_or(ExecutionPhase::kPending);
  if (phase != ExecutionPhase::kPending) return phase == ExecutionPhase::kAwaitingApproval;
  const kube::Key key{execution.meta.ns, execution.meta.name};
  return parts_.caches.Approval(key) || parts_.caches.written_approvals().Own(key);
}

Load ExecutionController::Measure(const api::Execution& execution) {
  Load load;
  for (const auto& other : parts_.caches.Executions()) {
    if (other->meta.ns != execution.meta.ns || other->status.terminal()) continue;
    const bool self = other->meta.uid == execution.meta.uid;
    if (!self && other->spec.requester == execution.spec.requester && Asks(*other)) {
      ++load.open_approvals;
      if (SameWish(*other, execution)) load.identical.push_back(other->meta.name);
    }
    // What has no phase yet was not let in, and is no load on those before it.
    if (!other->status.phase) continue;
    ++load.active_in_namespace;
    if (self) continue;
    if (!SameSandbox(*other, execution)) continue;
    ++load.queued_in_sandbox;
    if (other->status.phase == ExecutionPhase::kRunning) load.busy = true;
    if (other->status.phase == ExecutionPhase::kAdmitted &&
        (execution.status.phase != ExecutionPhase::kAdmitted || CameBefore(*other, execution))) {
      load.behind = true;
    }
  }
  std::sort(load.identical.begin(), load.identical.end());
  return load;
}

void ExecutionController::Left(const api::Execution& last) {
  histories_.Drop({last.meta.ns, last.spec.sandbox_name});
  const Caches::SandboxPtr sandbox = parts_.caches.Sandbox({last.meta.ns, last.spec.sandbox_name});
  if (const auto place = PlaceOf(last, sandbox.get())) {
    parts_.runners.Abandon(last.meta.uid, *place);
  } else {
    parts_.runners.ForgetRun(last.meta.uid);
  }
}

std::optional<RunPlace> ExecutionController::PlaceOf(const api::Execution& execution,
                                                     const api::Sandbox* sandbox) {
  if (sandbox == nullptr || !execution.status.claim || !sandbox->status.effective) {
    return std::nullopt;
  }
  if (sandbox->status.pod_uid != execution.status.claim->pod_uid) return std::nullopt;
  return RunPlace{sandbox->status.pod_ip, sandbox->meta.uid, execution.status.claim->run_id,
                  sandbox->status.effective->output_bytes};
}

Status ExecutionController::Reconcile(const kube::Key& key) {
  const Caches::ExecutionPtr first = parts_.caches.Execution(key);
  if (!first) return Forget(key);
  const size_t stripe =
      std::hash<std::string>{}(key.ns + "/" + first->spec.sandbox_name) % kStripes;
  const std::lock_guard<std::mutex> lock(stripes_[stripe]);
  const Caches::ExecutionPtr execution = parts_.caches.Execution(key);
  if (!execution || execution->status.terminal()) return Status::Ok();
  const Caches::SandboxPtr sandbox = parts_.caches.Sandbox({key.ns, execution->spec.sandbox_name});
  const auto approval = approvals_.Find(key, *execution);
  if (!approval.ok()) return approval.status().WithContext("reading the Approval");

  ExecutionObserved seen;
  seen.execution = execution.get();
  seen.sandbox = sandbox.get();
  seen.approval = approval->get();
  if (sandbox) {
    seen.history = histories_.Get({key.ns, execution->spec.sandbox_name}, sandbox->status.pod_uid);
  }
  seen.run = parts_.runners.ViewOf(execution->meta.uid);
  seen.guard = parts_.guard();
  seen.audit = parts_.audit.Health();
  seen.load = Measure(*execution);
  seen.new_run_id = base::RandomUuid();
  const PolicyView policy = parts_.policy(key.ns);
  if (!policy.known) {
    queue_.AddAfter(key, kLabelsWait);
    return Status::Ok();
  }
  seen.policy_refused = policy.refused;
  if (LooksAtEgress(seen)) seen.egress = parts_.egress.View();
  const base::Time now = parts_.clock.Now();  // after all that was read
  seen.approved_since = approvals_.ApprovedSince(key, seen.approval, now);
  const ExecutionPlan plan = ReconcileExecution(seen, *policy.policy, parts_.settings, now);
  if (plan.again_at) {
    queue_.AddAfter(key, std::max<base::Duration>(kSoon, *plan.again_at - now));
  }
  auto network = Network(plan.action);
  if (!network.ok()) return network.status();
  const Status told = trail_.Before(key, seen, plan.action, policy.policy->revision());
  if (!told.ok()) return told;
  return Apply(key, seen, plan.action, std::move(network).value());
}

// It is over, or gone. A write whose answer was lost may have ended it: then only the API server
// knows how.
Status ExecutionController::Forget(const kube::Key& key) {
  parts_.caches.written_executions().Forget(key);
  approvals_.Forget(key);
  std::optional<api::ExecutionStatus> last;
  if (const auto uid = trail_.Open(key)) {
    const auto live = parts_.cluster.api().Get(kube::kExecutions, key.ns, key.name);
    if (!live.ok() && live.status().code() != Code::kNotFound) return live.status();
    const auto execution = api::Execution::FromJson(live.ok() ? *live : api::Json());
    if (execution.ok() && execution->meta.uid == *uid) {
      if (!execution->status.terminal()) return Status::Ok();  // the cache is behind, and comes
      last = execution->status;
    }
  }
  trail_.Close(key, last);
  return Status::Ok();
}

// Signed before the log says that the run starts: what cannot be signed does not start.
base::Result<std::optional<api::RunNetwork>> ExecutionController::Network(
    const ExecutionAction& action) {
  const auto* start = std::get_if<StartRun>(&action);
  if (start == nullptr || start->admitted.domains().empty())
    return std::optional<api::RunNetwork>();
  auto network = parts_.egress.For(start->admitted);
  if (!network.ok()) return network.status();
  return std::optional(std::move(network).value());
}

void ExecutionController::Start(const kube::Key& key, const api::Execution& execution,
                                const Admitted& admitted, std::optional<api::RunNetwork> network) {
  base::LogInfo("execution: starting the run",
                {{"execution", key.ToString()}, {"runId", admitted.claim().run_id}});
  if (network) {
    parts_.events.Record(Reference("Execution", execution.meta), kube::EventType::kNormal,
                         "NetworkGranted",
                         "Until " + base::FormatTime(admitted.deadline()) + " it may reach " +
                             Joined(network->domains) + ".");
  }
  parts_.runners.Start(key, execution.meta.uid, admitted, std::move(network));
}

Status ExecutionController::Apply(const kube::Key& key, const ExecutionObserved& seen,
                                  const ExecutionAction& action,
                                  std::optional<api::RunNetwork> network) {
  const api::Execution& execution = *seen.execution;
  const auto place = PlaceOf(execution, seen.sandbox);
  const auto with_place = [&](const std::function<void(const RunPlace&)>& call) {
    if (place) call(*place);
    return Status::Ok();
  };
  const auto again_if_done = [&](Status status) {
    if (status.ok()) queue_.Add(key);
    return status;
  };
  return std::visit(
      Overloaded{[](const Wait&) { return Status::Ok(); },
                 [&](const CreateApproval& create) {
                   return again_if_done(approvals_.Ask(key, execution, create.request));
                 },
                 [&](const SettleApproval& settle) {
                   const Status settled =
                       again_if_done(approvals_.Settle(key, *seen.approval, settle));
                   if (settled.ok()) trail_.Settled(key, *seen.approval, settle);
                   return settled;
                 },
                 [&](const NoteChange& note) {
                   return again_if_done(approvals_.Note(key, *seen.approval, note));
                 },
                 [&](const ReadHistory&) { return Read(key, seen); },
                 [&](const WriteStatus& write) { return Write(key, execution, write.status); },
                 [&](const StartRun& start) {
                   Start(key, execution, start.admitted, std::move(network));
                   return Status::Ok();
                 },
                 [&](const FollowRun&) {
                   return with_place([&](const RunPlace& at) {
                     parts_.runners.Follow(key, execution.meta.uid, at);
                   });
                 },
                 [&](const CancelRun&) {
                   const Status status = with_place([&](const RunPlace& at) {
                     parts_.runners.Cancel(key, execution.meta.uid, at);
                   });
                   queue_.Add(key);
                   return status;
                 },
                 [&](const StoreResult& result) { return Store(key, seen, result); },
                 [&](const ReleaseRun&) {
                   return with_place(
                       [&](const RunPlace& at) { parts_.runners.Release(execution.meta.uid, at); });
                 }},
      action);
}

Status ExecutionController::Read(const kube::Key& key, const ExecutionObserved& seen) {
  const Status read =
      histories_.Read({key.ns, seen.sandbox->meta.name}, seen.sandbox->status.pod_uid);
  if (read.ok()) queue_.Add(key);
  return read;
}

Status ExecutionController::Write(const kube::Key& key, const api::Execution& execution,
                                  const api::ExecutionStatus& status) {
  const bool moves = status.terminal() || status.phase == ExecutionPhase::kRunning;
  // First: a write whose answer is lost may have been carried out all the same.
  if (moves) histories_.Drop({execution.meta.ns, execution.spec.sandbox_name});
  const auto written =
      parts_.cluster.PatchStatus(kube::kExecutions, execution.meta, api::ToJson(status));
  if (!written.ok()) trail_.WriteFailed(key, execution, status, written.status());
  if (written.status().code() == Code::kNotFound) return Status::Ok();  // deleted meanwhile
  if (!written.ok()) return written.status();
  trail_.Wrote(key, status);
  auto parsed = api::Execution::FromJson(*written);
  if (!parsed.ok()) return parsed.status();
  parts_.caches.written_executions().Wrote(
      key, std::make_shared<const api::Execution>(std::move(parsed).value()));
  if (moves) WakeSandboxMates(execution);
  const std::string phase = status.phase ? api::PhaseName(*status.phase) : "";
  base::LogInfo("execution: new status", {{"execution", key.ToString()},
                                          {"phase", phase},
                                          {"risk", status.risk ? api::RiskName(*status.risk) : ""},
                                          {"error", status.error ? status.error->code : ""}});
  if (status.terminal()) {
    observer_.finished(execution, status);
    parts_.events.Record(Reference("Execution", execution.meta),
                         *status.phase == ExecutionPhase::kSucceeded ? kube::EventType::kNormal
                                                                     : kube::EventType::kWarning,
                         phase, status.error ? status.error->message : "The code exited with 0.");
  }
  queue_.Add(key);
  return Status::Ok();
}

Status ExecutionController::Store(const kube::Key& key, const ExecutionObserved& seen,
                                  const StoreResult& result) {
  api::ExecutionStatus status = result.status;
  const Status stored = StoreOutput(*seen.execution, *result.state, &parts_.cluster, &status);
  if (!stored.ok()) return stored;
  Status written = Write(key, *seen.execution, status);
  if (written.code() == Code::kResourceExhausted) {
    // Too large for one object together with its code: the result counts more than the output.
    status.out.reset();
    status.err.reset();
    status.error = api::ExecutionError{
        "OutputNotStored", "The output does not fit into the object beside code of this size."};
    written = Write(key, *seen.execution, status);
  }
  if (!written.ok()) return written;
  if (const auto place = PlaceOf(*seen.execution, seen.sandbox)) {
    parts_.runners.Release(seen.execution->meta.uid, *place);
  } else {
    parts_.runners.ForgetRun(seen.execution->meta.uid);
  }
  return Status::Ok();
}

// Those that wait for their turn in the same sandbox, or for a human who is to know of it.
void ExecutionController::WakeSandboxMates(const api::Execution& execution) {
  for (const auto& other : parts_.caches.Executions()) {
    if (SameSandbox(*other, execution) && !other->status.terminal()) {
      queue_.Add({other->meta.ns, other->meta.name});
    }
  }
}

}  // namespace sandgate::op
