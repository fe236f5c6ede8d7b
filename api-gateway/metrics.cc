#include "api-gateway/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace sandgate::gateway {
namespace {

// From one read to ten minutes of waiting for a human.
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};

}  // namespace

class Metrics::Impl {
 public:
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("sandgate_gateway_requests_total")
          .Help("Requests answered, by route and HTTP status.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& gone =
      prometheus::BuildCounter()
          .Name("sandgate_gateway_callers_gone_total")
          .Help("Callers that closed their connection before the answer.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds =
      prometheus::BuildHistogram()
          .Name("sandgate_gateway_request_duration_seconds")
          .Help("Time to the answer, waits for humans and runs included.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& waiters = prometheus::BuildGauge()
                                                       .Name("sandgate_gateway_waiters")
                                                       .Help("Callers that wait for a result now.")
                                                       .Register(registry);
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::CountRequest(const std::string& route, unsigned code, double seconds) {
  impl_->requests.Add({{"route", route}, {"code", std::to_string(code)}}).Increment();
  impl_->seconds.Add({{"route", route}}, kSeconds).Observe(seconds);
}

void Metrics::CountGone(const std::string& route) {
  impl_->gone.Add({{"route", route}}).Increment();
}

std::string Metrics::Text(size_t waiters) const {
  impl_->waiters.Add({}).Set(static_cast<double>(waiters));
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace sandgate::gateway
