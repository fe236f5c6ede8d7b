// What the gateway counts, in Prometheus' text format.
#pragma once

#include <memory>
#include <string>

namespace sandgate::gateway {

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // `route` is one of a fixed few (GatewayRequest::label): labels are never the caller's words.
  void CountRequest(const std::string& route, unsigned code, double seconds);
  // A caller that went away before its answer; what it asked for goes on.
  void CountGone(const std::string& route);

  // `waiters`: callers that wait for a result now.
  std::string Text(size_t waiters) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::gateway
