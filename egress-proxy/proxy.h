// The egress proxy: accepts runners' connections and holds each against its grant. Stateless: what
// it knows of runs is for limits only, and is lost without harm.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "egress-proxy/limits.h"
#include "egress-proxy/metrics.h"
#include "libs/base/status.h"
#include "libs/egress/address.h"
#include "libs/http/address.h"
#include "libs/http/server.h"

namespace sandgate::egress {

struct ProxyOptions {
  http::Address listen;
  int threads = 1;
  ProxyLimits limits;
  std::vector<Cidr> exceptions;  // allowedPrivateCIDRs
  std::vector<Cidr> cluster;
  std::string resolver;  // "" = /etc/resolv.conf
};

class Proxy {
 public:
  // Listens and serves until Stop; without keys it refuses every grant. Fails with kUnavailable
  // (port busy) or kInvalidArgument (TLS material, DNS servers). `metrics` must outlive it.
  static base::Result<std::unique_ptr<Proxy>> Start(ProxyOptions options,
                                                    const http::ServerTls& tls, Metrics* metrics);
  virtual ~Proxy() = default;

  virtual uint16_t port() const = 0;
  // New connections use them; open ones stay. kInvalidArgument: what was in use stays.
  virtual base::Status SetTls(const http::ServerTls& tls) = 0;
  virtual base::Status SetKeys(const std::vector<std::string>& public_pems) = 0;
  // Accepts no more, lets open tunnels end by themselves for `grace`, then ends them. Idempotent.
  virtual void Stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace sandgate::egress
