#include "operator/sandbox_logic.h"

#include <algorithm>

#include "operator/network_logic.h"
#include "operator/pod_builder.h"

namespace sandgate::op {
namespace {

using api::SandboxPhase;

using Step = std::optional<SandboxPlan>;

struct Context {
  const SandboxObserved& seen;
  const policy::Policy& policy;
  const Settings& settings;
  base::Time now;

  const api::Sandbox& sandbox() const { return *seen.sandbox; }
  const api::SandboxStatus& status() const { return seen.sandbox->status; }
  base::Time created() const { return sandbox().meta.creation_time.value_or(now); }
  base::Time ready_deadline() const { return created() + settings.ready_deadline; }
  std::string runtime_class() const { return policy.sandbox().runtime_class; }
};

// A status write of `phase` with condition Ready; nothing when that stands there already.
Step Write(const Context& c, SandboxPhase phase, const char* ready, const Diagnosis& why) {
  api::SandboxStatus status = c.status();
  bool changed = status.phase != phase;
  status.phase = phase;
  // With what it was built, as soon as that is settled: half of a diagnosis.
  const PodFacts* pod = c.seen.pod;
  if (!status.effective && pod != nullptr && pod->SandboxUid() == c.sandbox().meta.uid) {
    status.effective = pod->effective;
  }
  status.observed_generation = c.sandbox().meta.generation;
  changed |= api::SetCondition(&status.conditions,
                               {"Ready", ready, why.reason, why.message, std::nullopt}, c.now);
  if (!changed) return std::nullopt;
  return SandboxPlan{WriteSandboxStatus{std::move(status)}, std::nullopt};
}

Step Fail(const Context& c, const Diagnosis& why) {
  return Write(c, SandboxPhase::kFailed, "False", why);
}

// A pod without its Sandbox goes at once; the garbage collector would come later.
SandboxPlan WithoutSandbox(const SandboxObserved& seen) {
  if (seen.pod == nullptr || seen.pod->meta.deleting()) return {Idle{}, std::nullopt};
  return {DeleteOrphan{seen.pod->meta.uid, seen.pod->SandboxUid()}, std::nullopt};
}

Step WhenDeleting(const Context& c) {
  if (!c.sandbox().meta.deleting()) return std::nullopt;
  const PodFacts* pod = c.seen.pod;
  if (pod != nullptr && !pod->meta.deleting() && pod->SandboxUid() == c.sandbox().meta.uid) {
    return SandboxPlan{DeletePod{pod->meta.uid}, std::nullopt};
  }
  return SandboxPlan{Idle{}, std::nullopt};
}

// The clocks after which a Sandbox is deleted. 0 switches one off.
Step WhenOld(const Context& c, std::optional<base::Time>* next) {
  const api::SandboxSpec& spec = c.sandbox().spec;
  const std::chrono::seconds ttl{spec.ttl_seconds.value_or(c.settings.ttl.count())};
  const std::chrono::seconds idle{
      spec.idle_timeout_seconds.value_or(c.settings.idle_timeout.count())};
  if (ttl.count() > 0) {
    const base::Time end = c.created() + ttl;
    if (c.now >= end) return SandboxPlan{DeleteExpiredSandbox{}, std::nullopt};
    *next = end;
  }
  if (idle.count() > 0 && c.seen.activity.active == 0) {
    const base::Time end = std::max(c.created(), c.seen.activity.last) + idle;
    if (c.now >= end) {
      return SandboxPlan{DeleteIdleSandbox{idle}, c.now + std::chrono::seconds(60)};
    }
    *next = *next ? std::min(**next, end) : end;
  }
  return std::nullopt;
}

// A lost Sandbox keeps nothing that costs anything.
SandboxPlan AfterFailure(const Context& c) {
  const PodFacts* pod = c.seen.pod;
  if (pod != nullptr && !pod->meta.deleting() && pod->SandboxUid() == c.sandbox().meta.uid) {
    return {DeletePod{pod->meta.uid}, std::nullopt};
  }
  if (c.seen.secret_made && !c.seen.secret_deleted) return {DeleteRunnerSecret{}, std::nullopt};
  return {Idle{}, std::nullopt};
}

// Says on a Ready Sandbox whether the rules about approvals hold; written only when it changes, and
// not at all on one that never saw them broken.
Step ReportGuard(const Context& c) {
  const char* type = "AdmissionPoliciesIntact";
  const api::Condition* before = api::FindCondition(c.status().conditions, type);
  api::Condition condition;
  if (c.seen.guard.state == GuardView::State::kBroken) {
    condition = {type, "False", "PoliciesBroken",
                 "Nothing above LOW risk is admitted: " + c.seen.guard.problem, std::nullopt};
  } else if (c.seen.guard.intact() && before != nullptr) {
    condition = {type, "True", "Intact", "The admission policies are in force.", std::nullopt};
  } else {
    return std::nullopt;
  }
  if (before != nullptr && before->status == condition.status) return std::nullopt;
  api::SandboxStatus status = c.status();
  api::SetCondition(&status.conditions, std::move(condition), c.now);
  return SandboxPlan{WriteSandboxStatus{std::move(status)}, std::nullopt};
}

// A recorded pod is the only one that counts: another one has another workspace.
Step CheckRecordedPod(const Context& c) {
  const std::string next = " Its workspace is gone; create a new Sandbox.";
  if (c.seen.pod == nullptr) {
    return Fail(c, {"PodDeleted", "The sandbox's pod is gone." + next});
  }
  if (c.seen.pod->meta.uid != c.status().pod_uid) {
    return Fail(c, {"PodReplaced", "The sandbox's pod was replaced by another one." + next});
  }
  if (const auto lost = WhyLost(*c.seen.pod)) return Fail(c, *lost);
  return std::nullopt;
}

Step MakePod(const Context& c, const api::EffectiveLimits& limits) {
  if (c.seen.refused && c.now < c.seen.retry_at) {
    const Step told = Write(c, SandboxPhase::kPending, "False", *c.seen.refused);
    return told ? told : SandboxPlan{Idle{}, std::min(c.seen.retry_at, c.ready_deadline())};
  }
  if (!c.seen.isolated) return SandboxPlan{EnsureIsolation{}, std::nullopt};
  if (!c.seen.secret_made) return SandboxPlan{CreateRunnerSecret{}, std::nullopt};
  return SandboxPlan{CreatePod{limits}, std::nullopt};
}

// The name is taken by a pod of an earlier Sandbox that is on its way out, or by a stranger's.
SandboxPlan NameTaken(const Context& c) {
  const PodFacts& pod = *c.seen.pod;
  if (!pod.meta.deleting() && !pod.SandboxUid().empty()) {
    return {DeleteOrphan{pod.meta.uid, pod.SandboxUid()}, c.now + std::chrono::seconds(5)};
  }
  return {Idle{}, c.now + std::chrono::seconds(5)};
}

// Code that may be granted network depends on the network plugin; other code has a lock of its own,
// and waits only for the first answer that there is.
bool WaitsForIsolation(const Context& c) {
  const IsolationView& view = c.seen.isolation;
  if (view.state == IsolationView::State::kOff) return false;
  return c.seen.pod->effective->network_enabled || !view.cluster_known;
}

// The next attempt, when it is due.
bool ProbeDue(const Context& c) {
  const IsolationView& view = c.seen.isolation;
  return view.state == IsolationView::State::kNone ||
         (view.state == IsolationView::State::kAgain && c.now >= view.retry_at);
}

void SetIsolation(const Context& c, const PodFacts& pod, api::SandboxStatus* status) {
  const IsolationView& view = c.seen.isolation;
  if (view.state == IsolationView::State::kOff) return;
  const bool measured = view.state == IsolationView::State::kDone &&
                        (view.verdict.state != Isolation::kUnknown || !view.cluster_known);
  const bool own = pod.effective->network_enabled || measured;
  api::SetCondition(
      &status->conditions,
      IsolationCondition(own ? view.verdict : view.cluster, own ? view.foreign : ForeignPolicies{}),
      c.now);
}

// Of a Ready Sandbox: what was begun for the cluster's sake is finished. One that may be granted
// network and is not known to be held is measured again and again, and written only when the
// answer changes.
SandboxPlan MeasureAgain(const Context& c) {
  const IsolationView& view = c.seen.isolation;
  const api::Condition* before =
      api::FindCondition(c.status().conditions, kNetworkIsolatedCondition);
  const bool wanted = c.status().effective && c.status().effective->network_enabled &&
                      (before == nullptr || before->status != "True");
  if (view.state == IsolationView::State::kAgain || wanted) {
    if (ProbeDue(c)) return {ProbeIsolation{}, std::nullopt};
    if (view.state == IsolationView::State::kAgain) return {Idle{}, view.retry_at};
  }
  if (!wanted || view.state != IsolationView::State::kDone) return {};
  api::Condition measured = IsolationCondition(view.verdict, view.foreign);
  if (before == nullptr || before->status != measured.status || before->reason != measured.reason) {
    api::SandboxStatus status = c.status();
    api::SetCondition(&status.conditions, std::move(measured), c.now);
    return {WriteSandboxStatus{std::move(status)}, std::nullopt};
  }
  if (c.now >= view.retry_at) return {ProbeIsolation{}, std::nullopt};
  return {Idle{}, view.retry_at};
}

SandboxPlan BecomeReady(const Context& c) {
  const PodFacts& pod = *c.seen.pod;
  api::SandboxStatus status = c.status();
  status.observed_generation = c.sandbox().meta.generation;
  status.phase = SandboxPhase::kReady;
  status.pod_name = pod.meta.name;
  status.pod_uid = pod.meta.uid;
  status.pod_ip = pod.ip;
  status.image_id = pod.image_id;
  status.runner_boot_id = c.seen.probe.info.boot_id;
  status.effective = pod.effective;
  api::SetCondition(&status.conditions,
                    {"Ready", "True", "RunnerAnswered",
                     "The pod runs and its runner proved its identity.", std::nullopt},
                    c.now);
  SetIsolation(c, pod, &status);
  return {WriteSandboxStatus{std::move(status)}, std::nullopt};
}

// Gets a pod that exists to Ready.
SandboxPlan Raise(const Context& c) {
  const PodFacts& pod = *c.seen.pod;
  if (!pod.effective) {
    const Step failed =
        Fail(c, {"PodUnreadable", "The pod does not say which limits it was built with."});
    return failed.value_or(SandboxPlan{Idle{}, std::nullopt});
  }
  const auto problem = WhyNotReady(pod, c.runtime_class());
  if (problem) {
    if (const Step told = Write(c, SandboxPhase::kPending, "False", *problem)) return *told;
    return {Idle{}, c.ready_deadline()};
  }
  const Probe& probe = c.seen.probe;
  if (pod.ip.empty()) return {Idle{}, c.ready_deadline()};
  switch (probe.state) {
    case Probe::State::kNone:
      return {AskRunner{}, c.ready_deadline()};
    case Probe::State::kAsking:
      return {Idle{}, c.ready_deadline()};
    case Probe::State::kFailed:
      if (c.now < probe.retry_at) return {Idle{}, std::min(probe.retry_at, c.ready_deadline())};
      return {AskRunner{}, c.ready_deadline()};
    case Probe::State::kAnswered:
      break;
  }
  const IsolationView& network = c.seen.isolation;
  const bool waits = WaitsForIsolation(c);
  if ((waits || network.cluster_due) && ProbeDue(c)) return {ProbeIsolation{}, c.ready_deadline()};
  if (!pod.ready()) return {Idle{}, c.ready_deadline()};
  // The key goes before anything can run, and before the status says so: a crash in between
  // repeats the deletion and never forgets it.
  if (!c.seen.secret_deleted) return {DeleteRunnerSecret{}, std::nullopt};
  if (!waits || network.state == IsolationView::State::kDone) return BecomeReady(c);
  if (network.state == IsolationView::State::kAsking) return {Idle{}, c.ready_deadline()};
  return {Idle{}, std::min(network.retry_at, c.ready_deadline())};
}

// Not Ready in time is final: whoever waits for it gets an answer.
Step WhenLate(const Context& c) {
  if (c.now < c.ready_deadline()) return std::nullopt;
  Diagnosis why{"NotReadyInTime", "The sandbox was not ready within " +
                                      std::to_string(c.settings.ready_deadline.count()) + " s."};
  if (c.seen.pod == nullptr) {
    if (c.seen.refused) why = *c.seen.refused;
  } else if (const auto problem = WhyNotReady(*c.seen.pod, c.runtime_class())) {
    why = *problem;
  } else if (c.seen.probe.state == Probe::State::kFailed) {
    why.message += " Its runner did not answer: " + c.seen.probe.problem;
  } else {
    why.message += " Its pod is in phase " + c.seen.pod->phase + ": see kubectl describe pod " +
                   c.seen.pod->meta.name + ".";
  }
  return Fail(c, why);
}

SandboxPlan Progress(const Context& c) {
  const PodFacts* pod = c.seen.pod;
  if (const Step late = WhenLate(c)) return *late;
  if (pod != nullptr && pod->SandboxUid() != c.sandbox().meta.uid) return NameTaken(c);
  if (pod != nullptr) {
    if (const auto lost = WhyLost(*pod)) {
      return Fail(c, *lost).value_or(SandboxPlan{Idle{}, std::nullopt});
    }
    return Raise(c);
  }
  if (c.seen.policy_refused) {
    const Diagnosis why{c.seen.policy_refused->code, c.seen.policy_refused->message};
    return Write(c, SandboxPhase::kPending, "False", why)
        .value_or(SandboxPlan{Idle{}, c.ready_deadline()});
  }
  const auto limits = EffectiveLimits(c.policy.sandbox(), c.sandbox().spec);
  if (!limits.ok()) {
    return Fail(c, {"InvalidSpec", limits.status().message()})
        .value_or(SandboxPlan{Idle{}, std::nullopt});
  }
  return *MakePod(c, *limits);
}

}  // namespace

SandboxPlan ReconcileSandbox(const SandboxObserved& observed, const policy::Policy& policy,
                             const Settings& settings, base::Time now) {
  if (observed.sandbox == nullptr) return WithoutSandbox(observed);
  const Context c{observed, policy, settings, now};
  if (const Step step = WhenDeleting(c)) return *step;
  std::optional<base::Time> next;
  if (const Step step = WhenOld(c, &next)) return *step;
  SandboxPlan plan{Idle{}, std::nullopt};
  if (c.status().phase == SandboxPhase::kFailed) {
    plan = AfterFailure(c);
  } else if (!c.status().pod_uid.empty()) {
    const Step lost = CheckRecordedPod(c);
    const Step report = lost ? lost : ReportGuard(c);
    if (report) {
      plan = *report;
    } else if (!observed.isolated) {
      // Networks are mended as long as there is something to hold.
      plan = {EnsureIsolation{}, std::nullopt};
    } else {
      plan = MeasureAgain(c);
    }
  } else {
    plan = Progress(c);
  }
  if (next) plan.again_at = plan.again_at ? std::min(*plan.again_at, *next) : *next;
  return plan;
}

}  // namespace sandgate::op
