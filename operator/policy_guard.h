// Are the API server's rules about approvals in force? Comparison and canary: docs/decisions/0010.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/kube/api.h"
#include "operator/sandbox_logic.h"
#include "operator/settings.h"

namespace sandgate::op {

inline constexpr std::chrono::seconds kCanaryInterval{15};      // while all is well
inline constexpr std::chrono::seconds kCanaryRetryInterval{1};  // while it is not
inline constexpr std::chrono::seconds kGuardMemory{60};  // an unreachable API server's last answer

// The policies that must be in force: a JSON list of {apiVersion, kind, metadata: {name}, spec}.
// kInvalidArgument: not readable (or `path` is ""), not such a list, an empty one, or a kind that
// is no admission policy's. The caller then runs nothing that needs an approval.
base::Result<std::vector<api::Json>> LoadExpectedPolicies(const std::string& path);

// Thread-safe, but for Start and Stop, which one thread calls, once each. In the quiet state it
// writes nothing (its canary is a dry run).
class PolicyGuard {
 public:
  // `on_change` runs on the guard's own thread, without a lock, soon after View() has changed.
  // With nothing in `expected` the guard is broken for good.
  PolicyGuard(kube::Api api, const Settings& settings, std::vector<api::Json> expected,
              std::function<void()> on_change, const base::Clock& clock = base::RealClock());
  ~PolicyGuard();
  PolicyGuard(const PolicyGuard&) = delete;
  PolicyGuard& operator=(const PolicyGuard&) = delete;

  void Start();
  void Stop();  // returns when its threads have ended; idempotent

  // kIntact only while every policy is as expected and the API server refuses the canary, by an
  // answer of the last 60 s that was asked for after the last difference had gone.
  GuardView View() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::op
