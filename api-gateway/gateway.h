// The tool API over the Kubernetes API. Stores nothing: every object it makes is the API server's,
// under the caller's own name, and a gateway that restarts has forgotten only who was waiting.
#pragma once

#include <atomic>
#include <memory>

#include "api-gateway/auth.h"
#include "api-gateway/kube_calls.h"
#include "api-gateway/metrics.h"
#include "api-gateway/waiters.h"
#include "api-gateway/worker_pool.h"
#include "libs/http/server.h"
#include "libs/kube/reflector.h"

namespace sandgate::gateway {

struct GatewayOptions {
  int workers = 8;                       // threads that call the API server
  size_t max_queue = 1024;               // calls that wait for one of them; one more is 503
  size_t max_bodies = 64 * 1024 * 1024;  // bytes of their bodies together; more is 503
  size_t max_waiters = 4096;  // calls that wait for a result; one more is answered with 202
  AuthOptions auth;
};

// Thread-safe. Must outlive the server that calls Handle.
class Gateway {
 public:
  // `own`: the gateway's account: list and watch on executions, create on tokenreviews, get on
  // configmaps. It never writes an object.
  Gateway(kube::Api own, GatewayOptions options, const base::Clock& clock = base::RealClock());
  ~Gateway();

  void Start();
  // http::Handler: never blocks.
  void Handle(http::Request request, http::Responder responder);
  // The watch is in sync, and Stop has not been called.
  bool Ready() const;
  // Those who wait get 202 at once, with where to ask again; new calls 503. Idempotent.
  void Stop();

  std::string MetricsText() const { return metrics_.Text(waiters_.size()); }

 private:
  void Begin(const PendingPtr& call);
  bool Identify(const PendingPtr& call);
  void Execute(const PendingPtr& call, const ExecutionCall& tool);
  void Destroy(const PendingPtr& call, const DestroySandbox& tool);
  void Query(const PendingPtr& call);
  std::optional<WaitId> Wait(const PendingPtr& call);
  void Look(WaitId id);
  void LookOnce(const PendingPtr& call);
  void AnswerFinished(const PendingPtr& call, const api::Execution& execution) const;
  bool Queue(std::function<void()> job) { return pool_.Submit(std::move(job)); }

  const base::Clock& clock_;
  const size_t max_bodies_;
  const KubeCalls calls_;
  Authenticator auth_;
  Metrics metrics_;
  std::atomic<bool> stopping_ = false;
  std::atomic<size_t> bodies_ = 0;  // bytes of the bodies that nobody has parsed yet
  WorkerPool pool_;
  Waiters waiters_;
  kube::Reflector reflector_;  // last: its thread uses all of the above
};

}  // namespace sandgate::gateway
