#include "operator/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace sandgate::op {
namespace {

using Counters = prometheus::Family<prometheus::Counter>;
using Gauges = prometheus::Family<prometheus::Gauge>;

// From a human who sat waiting to one who came back after the night.
const prometheus::Histogram::BucketBoundaries kWaitSeconds = {
    1, 5, 10, 30, 60, 120, 300, 600, 1'800, 3'600, 14'400, 86'400};

Counters& NewCounters(prometheus::Registry* registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
}

Gauges& NewGauges(prometheus::Registry* registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry);
}

}  // namespace

class Metrics::Impl {
 public:
  prometheus::Registry registry;
  Counters& finished = NewCounters(&registry, "sandgate_executions_total",
                                   "Executions that ended, by operation, risk and outcome.");
  Counters& decisions = NewCounters(&registry, "sandgate_approval_decisions_total",
                                    "Decisions about Approvals that were taken up, by verdict.");
  Counters& writes = NewCounters(&registry, "sandgate_api_writes_total",
                                 "Writes to the Kubernetes API, by resource and verb.");
  prometheus::Histogram& wait = prometheus::BuildHistogram()
                                    .Name("sandgate_approval_wait_seconds")
                                    .Help("Time from an Approval's creation to its end.")
                                    .Register(registry)
                                    .Add({}, kWaitSeconds);
  Counters& webhook =
      NewCounters(&registry, "sandgate_webhook_deliveries_total",
                  "Messages to approvers that ended, by event and result; only delivered arrived.");
  prometheus::Counter& webhook_failures =
      NewCounters(&registry, "sandgate_webhook_failed_attempts_total",
                  "Attempts to deliver a message that failed; most are tried again.")
          .Add({});
  prometheus::Gauge& webhook_depth =
      NewGauges(&registry, "sandgate_webhook_queue_depth",
                "Messages to approvers that are on their way or wait for another attempt.")
          .Add({});
  prometheus::Gauge& pending =
      NewGauges(&registry, "sandgate_pending_approvals", "Approvals that wait for a human now.")
          .Add({});
  prometheus::Gauge& guard =
      NewGauges(&registry, "sandgate_guard_intact",
                "1 while the admission policies are known to be in force, else 0.")
          .Add({});
  prometheus::Gauge& policy =
      NewGauges(&registry, "sandgate_policy_healthy",
                "1 while the policy in use is the one in the file, 0 while that one is refused.")
          .Add({});
  Counters& isolation =
      NewCounters(&registry, "sandgate_isolation_measurements_total",
                  "Measurements whether a sandbox's pod is held by its NetworkPolicy, by result.");
  prometheus::Gauge& isolated =
      NewGauges(&registry, "sandgate_network_isolated",
                "1 while NetworkPolicies were last seen to hold sandboxes, 0 while not to hold "
                "them, -1 while it is not known (also in an instance that does not lead).")
          .Add({});
  prometheus::Gauge& audit =
      NewGauges(&registry, "sandgate_audit_healthy",
                "1 in the instance that leads while its audit log takes records, else 0.")
          .Add({});
  prometheus::Counter& audit_failures = NewCounters(&registry, "sandgate_audit_failures_total",
                                                    "Audit records that could not be written.")
                                            .Add({});
  prometheus::Counter& grants =
      NewCounters(&registry, "sandgate_egress_grants_total",
                  "Grants of network that were signed; a start that is tried again has one more.")
          .Add({});
  prometheus::Gauge& egress =
      NewGauges(&registry, "sandgate_egress_ready",
                "1 while runs can be granted network, else 0; as it was last looked at.")
          .Add({});
  Gauges& key_ages = NewGauges(&registry, "sandgate_egress_signing_key_age_seconds",
                               "For how long the key that signs grants of network has done so.");
  prometheus::Gauge* key_age = nullptr;  // guarded by mutex; there while a key signs
  Gauges& namespace_policies = NewGauges(
      &registry, "sandgate_namespace_policy_healthy",
      "1 while the namespaces' policy in use is the one in its ConfigMap, 0 while that one "
      "is refused.");
  std::mutex mutex;
  std::map<std::string, prometheus::Gauge*> by_policy;  // guarded by mutex
  prometheus::Gauge& leader =
      NewGauges(&registry, "sandgate_leader", "1 in the instance that leads, else 0.").Add({});
  Gauges& depth = NewGauges(&registry, "sandgate_queue_depth",
                            "Objects that wait for a worker now, by controller.");
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {
  // There from the start, so that the first of each shows as an increase.
  for (const char* verdict : {"Approved", "Denied", "Expired"}) {
    impl_->decisions.Add({{"verdict", verdict}});
  }
}
Metrics::~Metrics() = default;

void Metrics::CountFinished(const std::string& operation, const std::string& risk,
                            const std::string& outcome) {
  const auto named = [](const std::string& label) { return label.empty() ? "none" : label; };
  impl_->finished
      .Add({{"operation", named(operation)}, {"risk", named(risk)}, {"outcome", named(outcome)}})
      .Increment();
}

void Metrics::ObserveApprovalWait(double seconds) {
  impl_->wait.Observe(seconds);
}

void Metrics::CountDecision(const std::string& verdict) {
  impl_->decisions.Add({{"verdict", verdict}}).Increment();
}

void Metrics::CountWrite(const std::string& resource, const std::string& verb) {
  impl_->writes.Add({{"resource", resource}, {"verb", verb}}).Increment();
}

void Metrics::CountWebhook(const std::string& event, const std::string& result) {
  impl_->webhook.Add({{"event", event}, {"result", result}}).Increment();
}

void Metrics::CountWebhookFailure() {
  impl_->webhook_failures.Increment();
}

void Metrics::SetWebhookDepth(size_t depth) {
  impl_->webhook_depth.Set(static_cast<double>(depth));
}

void Metrics::CountIsolation(const std::string& result) {
  impl_->isolation.Add({{"result", result}}).Increment();
}

void Metrics::SetNetworkIsolated(int value) {
  impl_->isolated.Set(value);
}

void Metrics::CountGrant() {
  impl_->grants.Increment();
}

void Metrics::SetEgress(bool ready, std::optional<std::chrono::seconds> key_age) {
  impl_->egress.Set(ready ? 1 : 0);
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  if (!key_age) {
    if (impl_->key_age != nullptr) impl_->key_ages.Remove(impl_->key_age);
    impl_->key_age = nullptr;
    return;
  }
  if (impl_->key_age == nullptr) impl_->key_age = &impl_->key_ages.Add({});
  impl_->key_age->Set(static_cast<double>(key_age->count()));
}

void Metrics::SetAudit(bool healthy, int64_t failures) {
  impl_->audit.Set(healthy ? 1 : 0);
  const auto seen = static_cast<double>(failures);
  if (seen > impl_->audit_failures.Value()) {
    impl_->audit_failures.Increment(seen - impl_->audit_failures.Value());
  }
}

void Metrics::SetPendingApprovals(size_t count) {
  impl_->pending.Set(static_cast<double>(count));
}

void Metrics::SetGuardIntact(bool intact) {
  impl_->guard.Set(intact ? 1 : 0);
}

void Metrics::SetPolicyHealthy(bool healthy) {
  impl_->policy.Set(healthy ? 1 : 0);
}

void Metrics::SetNamespacePolicies(const std::map<std::string, bool>& healthy) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  auto& known = impl_->by_policy;
  for (auto it = known.begin(); it != known.end();) {
    if (healthy.contains(it->first)) {
      ++it;
      continue;
    }
    impl_->namespace_policies.Remove(it->second);
    it = known.erase(it);
  }
  for (const auto& [name, good] : healthy) {
    prometheus::Gauge*& gauge = known[name];
    if (gauge == nullptr) gauge = &impl_->namespace_policies.Add({{"policy", name}});
    gauge->Set(good ? 1 : 0);
  }
}

void Metrics::SetLeader(bool leader) {
  impl_->leader.Set(leader ? 1 : 0);
}

void Metrics::SetQueueDepth(const std::string& controller, size_t depth) {
  impl_->depth.Add({{"controller", controller}}).Set(static_cast<double>(depth));
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace sandgate::op
