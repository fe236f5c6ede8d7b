// The second port of a program: /healthz, /readyz and /metrics over plain HTTP, for kubelets and
// Prometheus.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libs/http/address.h"
#include "libs/http/server.h"

namespace sandgate::http {

// What the port shows. Called on the server's thread; must not block.
struct Health {
  std::function<bool()> ready;
  std::string unready_reason;            // one line, shown while not ready
  std::function<std::string()> metrics;  // Prometheus' text format
};

// Serves until it is stopped or dropped; what `health` refers to must outlive it. Fails as
// Server::Start.
base::Result<std::unique_ptr<Server>> ServeHealth(const Address& address, Health health);

}  // namespace sandgate::http
