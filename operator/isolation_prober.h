// Measures whether the cluster holds sandboxes as their NetworkPolicies say: asks a sandbox's
// runner to reach the operator, and listens whether it does. Nothing here waits.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "libs/base/clock.h"
#include "libs/kube/key.h"
#include "operator/isolation_logic.h"
#include "operator/sandbox_logic.h"

namespace sandgate::op {

// Who knocks at the operator's probe address. Thread-safe.
class Arrivals {
 public:
  struct Heard {
    bool self = false;   // the operator's own connection, made after Expect
    bool other = false;  // one from the expected address
  };

  virtual ~Arrivals() = default;
  // What arrives from now on is told to whoever takes this ticket. 0: too many are out; taking it
  // tells that nothing was heard.
  virtual uint64_t Expect(const std::string& ip) = 0;
  virtual Heard Take(uint64_t ticket) = 0;
};

// Thread-safe.
class IsolationProber {
 public:
  using Done = std::function<void(const base::Result<api::ProbeOutcome>&)>;
  // Asks a sandbox's runner to try `request`. `done` is called once, on any thread, at the latest
  // some seconds after the request's own timeout; it must not block.
  using Ask = std::function<void(const std::string& sandbox_uid, const std::string& pod_ip,
                                 const api::ProbeRequest& request, Done done)>;
  using Wake = std::function<void(const kube::Key& sandbox)>;
  using Measured = std::function<void(const IsolationVerdict& verdict)>;

  // `address`: "10.244.0.9:8082", where `arrivals` listens as a pod reaches it. `measured` is told
  // each verdict; it must not block.
  IsolationProber(Arrivals& arrivals, std::string address, const base::Clock& clock, Ask ask,
                  Wake wake, Measured measured);

  // One attempt, unless one goes on. `foreign`: what else allows the pod anything, as of now;
  // `fresh`: the Sandbox is not Ready yet.
  void Begin(const kube::Key& sandbox, const std::string& uid, const std::string& pod_ip,
             const ForeignPolicies& foreign, bool fresh);
  // state is never kOff.
  IsolationView ViewOf(const std::string& uid) const;
  void Forget(const std::string& uid);
  Isolation cluster() const;

 private:
  struct Entry {
    IsolationView::State state = IsolationView::State::kNone;
    base::MonotonicTime began;  // the first attempt of this measurement
    base::Time retry_at;
    IsolationVerdict verdict;
    ForeignPolicies foreign;
    bool fresh = false;
  };

  void Answered(const kube::Key& sandbox, const std::string& uid, const ProbeAttempt& attempt);

  Arrivals& arrivals_;
  const std::string address_;
  const base::Clock& clock_;
  const Ask ask_;
  const Wake wake_;
  const Measured measured_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by Sandbox UID; guarded by mutex_
  ClusterIsolation cluster_;              // guarded by mutex_
};

}  // namespace sandgate::op
