// What all sessions of a proxy share. Its members are thread-safe, or constant, or under a lock.
#pragma once

#include <memory>
#include <mutex>

#include "egress-proxy/arrivals.h"
#include "egress-proxy/limits.h"
#include "egress-proxy/metrics.h"
#include "egress-proxy/resolver.h"
#include "egress-proxy/run_table.h"
#include "libs/egress/address.h"
#include "libs/egress/grant.h"
#include "libs/http/asio.h"

namespace sandgate::egress {

class Shared {
 public:
  Shared(const ProxyLimits& with_limits, AddressClassifier with_classifier, Resolver* with_resolver,
         Metrics* with_metrics)
      : limits(with_limits),
        classifier(std::move(with_classifier)),
        resolver(with_resolver),
        metrics(with_metrics),
        runs(with_limits.max_run_connections),
        arrivals(with_limits.max_arrivals) {}

  const ProxyLimits limits;
  const AddressClassifier classifier;
  Resolver* const resolver;
  Metrics* const metrics;
  RunTable runs;
  Arrivals arrivals;

  GrantVerifier verifier() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return verifier_;
  }
  void SetVerifier(GrantVerifier verifier) {
    const std::lock_guard<std::mutex> lock(mutex_);
    verifier_ = std::move(verifier);
  }
  std::shared_ptr<http::TlsContext> tls() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return tls_;
  }
  void SetTls(std::shared_ptr<http::TlsContext> tls) {
    const std::lock_guard<std::mutex> lock(mutex_);
    tls_ = std::move(tls);
  }

 private:
  mutable std::mutex mutex_;
  GrantVerifier verifier_;                 // guarded by mutex_
  std::shared_ptr<http::TlsContext> tls_;  // guarded by mutex_
};

}  // namespace sandgate::egress
