#include "operator/isolation_prober.h"

#include "libs/base/log.h"

namespace sandgate::op {
namespace {

using State = IsolationView::State;

void SayChange(const kube::Key& sandbox, const IsolationVerdict& verdict) {
  const bool good = verdict.state == Isolation::kEnforced;
  base::Log(
      good ? base::LogLevel::kInfo : base::LogLevel::kWarning,
      good ? "isolation: NetworkPolicies are enforced"
           : "isolation: NetworkPolicies are not known to be enforced",
      {{"sandbox", sandbox.ToString()}, {"reason", verdict.reason}, {"message", verdict.message}});
}

}  // namespace

IsolationProber::IsolationProber(Arrivals& arrivals, std::string address, const base::Clock& clock,
                                 Ask ask, Wake wake, Measured measured)
    : arrivals_(arrivals),
      address_(std::move(address)),
      clock_(clock),
      ask_(std::move(ask)),
      wake_(std::move(wake)),
      measured_(std::move(measured)) {}

void IsolationProber::Begin(const kube::Key& sandbox, const std::string& uid,
                            const std::string& pod_ip, const ForeignPolicies& foreign, bool fresh) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    Entry& entry = entries_[uid];
    if (entry.state == State::kAsking) return;
    if (entry.state != State::kAgain) entry.began = clock_.MonotonicNow();
    entry.state = State::kAsking;
    entry.foreign = foreign;
    entry.fresh = fresh;
    cluster_.asked = clock_.Now();
  }
  const uint64_t ticket = arrivals_.Expect(pod_ip);
  ask_(uid, pod_ip, {address_, kProbeTimeout.count()},
       [this, sandbox, uid, ticket](const base::Result<api::ProbeOutcome>& said) {
         const Arrivals::Heard heard = arrivals_.Take(ticket);
         Answered(sandbox, uid, {heard.self, heard.other, said});
         wake_(sandbox);
       });
}

void IsolationProber::Answered(const kube::Key& sandbox, const std::string& uid,
                               const ProbeAttempt& attempt) {
  const base::Time now = clock_.Now();
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(uid);
  if (found == entries_.end()) return;  // the Sandbox is gone
  Entry& entry = found->second;
  const base::Duration since = clock_.MonotonicNow() - entry.began;
  const auto verdict = Judge(attempt, entry.foreign, since);
  if (!verdict) {
    entry.state = State::kAgain;
    entry.retry_at = now + std::chrono::duration_cast<base::Time::duration>(ProbePause(since));
    return;
  }
  entry.state = State::kDone;
  entry.retry_at = now + kMeasureAgain;
  entry.verdict = *verdict;
  measured_(*verdict);
  const Isolation before = cluster_.verdict.state;
  const bool known = cluster_.at.has_value();
  cluster_.Learn(*verdict, entry.foreign, entry.fresh, now);
  if (cluster_.at && (!known || cluster_.verdict.state != before)) {
    SayChange(sandbox, cluster_.verdict);
  }
}

IsolationView IsolationProber::ViewOf(const std::string& uid) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  IsolationView view;
  view.state = State::kNone;
  view.cluster = cluster_.verdict;
  view.cluster_known = cluster_.Known(clock_.Now());
  view.cluster_due = cluster_.Due(clock_.Now());
  const auto found = entries_.find(uid);
  if (found == entries_.end()) return view;
  const Entry& entry = found->second;
  view.state = entry.state;
  view.retry_at = entry.retry_at;
  view.verdict = entry.verdict;
  view.foreign = entry.foreign;
  return view;
}

void IsolationProber::Forget(const std::string& uid) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.erase(uid);
}

Isolation IsolationProber::cluster() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return cluster_.verdict.state;
}

}  // namespace sandgate::op
