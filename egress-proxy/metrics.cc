#include "egress-proxy/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <vector>

namespace sandgate::egress {
namespace {

using Counters = prometheus::Family<prometheus::Counter>;

const prometheus::Histogram::BucketBoundaries kSetupSeconds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

Counters& NewCounters(prometheus::Registry* registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
}

prometheus::Gauge& NewGauge(prometheus::Registry* registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add({});
}

}  // namespace

class Metrics::Impl {
 public:
  Impl() {
    // All there from the start: a rate over a series that begins with 1 misses the first.
    for (const Reason reason : AllReasons()) {
      carried.push_back(&ended.Add({{"verdict", "allowed"}, {"reason", ReasonName(reason)}}));
      refused.push_back(&ended.Add({{"verdict", "refused"}, {"reason", ReasonName(reason)}}));
    }
  }

  prometheus::Registry registry;
  Counters& ended = NewCounters(&registry, "sandgate_egress_connections_total",
                                "Connections that ended, by verdict and reason.");
  std::vector<prometheus::Counter*> carried;  // by Reason
  std::vector<prometheus::Counter*> refused;
  Counters& bytes = NewCounters(&registry, "sandgate_egress_bytes_total",
                                "Bytes of tunnels that ended, by direction.");
  prometheus::Counter& up = bytes.Add({{"direction", "up"}});
  prometheus::Counter& down = bytes.Add({{"direction", "down"}});
  prometheus::Gauge& open =
      NewGauge(&registry, "sandgate_egress_open_connections", "Connections that are open now.");
  prometheus::Histogram& setup =
      prometheus::BuildHistogram()
          .Name("sandgate_egress_setup_seconds")
          .Help("Time from an accepted connection to its first byte for the far side.")
          .Register(registry)
          .Add({}, kSetupSeconds);
  prometheus::Gauge& keys = NewGauge(&registry, "sandgate_egress_grant_keys",
                                     "Public keys that grants are verified with now.");
  Counters& reloads = NewCounters(&registry, "sandgate_egress_reloads_total",
                                  "Keys or certificates that changed on disk, by result.");
  prometheus::Counter& reloaded = reloads.Add({{"result", "ok"}});
  prometheus::Counter& not_reloaded = reloads.Add({{"result", "failed"}});
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::CountOpened() {
  impl_->open.Increment();
}

void Metrics::CountEnded(Reason reason, bool carried, uint64_t bytes_up, uint64_t bytes_down) {
  impl_->open.Decrement();
  (carried ? impl_->carried : impl_->refused)[static_cast<size_t>(reason)]->Increment();
  impl_->up.Increment(static_cast<double>(bytes_up));
  impl_->down.Increment(static_cast<double>(bytes_down));
}

void Metrics::ObserveSetup(double seconds) {
  impl_->setup.Observe(seconds);
}

void Metrics::SetGrantKeys(size_t count) {
  impl_->keys.Set(static_cast<double>(count));
}

void Metrics::CountReload(bool ok) {
  (ok ? impl_->reloaded : impl_->not_reloaded).Increment();
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace sandgate::egress
