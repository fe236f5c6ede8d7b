// What a run with network needs: the egress proxy's address, and a grant that the proxy believes.
// The keys are in here and nowhere else in the process.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "libs/api/run_network.h"
#include "libs/kube/api.h"
#include "operator/admission.h"
#include "operator/ca_bundle.h"
#include "operator/egress_keys.h"
#include "operator/network_logic.h"
#include "operator/settings.h"

namespace sandgate::op {

// For so long what was read counts: far below kKeySettling.
inline constexpr std::chrono::seconds kEgressFresh{30};
inline constexpr std::chrono::seconds kEgressRetry{1};  // while it is not ready

struct EgressOptions {
  std::string service;    // of the proxy, in the operator's namespace; "": there is none
  std::string ca_bundle;  // a file; "": none
};

// "10.96.0.7:8443" of a Service; kInvalidArgument says why there is none.
base::Result<std::string> EgressAddress(const api::Json& service);

// Thread-safe.
class EgressGrants {
 public:
  // `on_grant` is called for each grant that is signed. `clock` outlives this.
  EgressGrants(EgressOptions options, kube::Api api, Settings settings, const base::Clock& clock,
               std::function<void()> on_grant = nullptr);

  // What can be given now. Reads Service and keys (and takes what step is due with the keys) when
  // what is known is too old: blocks for a few calls then.
  EgressView View();

  // The network of one admitted run, signed now. kUnavailable: not now (see View);
  // kDeadlineExceeded: the run's time is over. Only for an Admitted with domains.
  base::Result<api::RunNetwork> For(const Admitted& admitted);

  // Of the key that signs, if one does, as it was last seen. Never blocks.
  std::optional<std::chrono::seconds> KeyAge() const;
  bool Ready() const;

 private:
  // What was read, and when.
  struct Known {
    EgressView view;
    std::string proxy;
    GrantKeys keys;
    base::MonotonicTime until;  // it counts
  };

  Known Read(base::Time now) const;
  base::Result<std::string> ReadAddress() const;
  EgressView ForAddress(const base::Status& status) const;
  // What counts now, after it was read anew where that was due.
  std::shared_ptr<const Known> Refresh();
  std::shared_ptr<const Known> Get() const;

  const EgressOptions options_;
  const kube::Api api_;
  const Settings settings_;
  const base::Clock& clock_;
  const std::function<void()> on_grant_;
  CaBundle ca_bundle_;
  std::mutex reading_;                  // one reads, the others wait for what it finds
  mutable std::mutex mutex_;            // never held during a call
  std::shared_ptr<const Known> known_;  // guarded by mutex_
};

}  // namespace sandgate::op
