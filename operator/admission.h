// The right to start one run. Starting unapproved code does not compile: Runner::Start needs an
// Admitted, and only Admit() builds one.
#pragma once

#include <string>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/runner_protocol.h"
#include "libs/api/sandbox.h"
#include "libs/base/status.h"
#include "libs/policy/policy.h"

namespace sandgate::op {

class Admitted {
 public:
  const api::Claim& claim() const { return claim_; }
  const api::RunRequest& request() const { return request_; }
  const std::string& sandbox_uid() const { return sandbox_uid_; }
  const std::string& pod_ip() const { return pod_ip_; }
  int64_t output_bytes() const { return request_.output_bytes; }
  const std::string& ns() const { return ns_; }
  const std::string& execution() const { return execution_; }
  // What the run may reach, until `deadline`; empty: nothing. The way there is not in request():
  // whoever starts the run adds it.
  const std::vector<std::string>& domains() const { return domains_; }
  // When the runner has ended the run by itself.
  base::Time deadline() const { return deadline_; }
  base::Time start() const { return start_; }

 private:
  friend base::Result<Admitted> Admit(const api::Execution&, const api::Sandbox&,
                                      const policy::SandboxSettings&);
  Admitted() = default;

  api::Claim claim_;
  api::RunRequest request_;
  std::string sandbox_uid_;
  std::string pod_ip_;
  std::string ns_, execution_;
  std::vector<std::string> domains_;
  base::Time start_, deadline_;
};

// Checks everything that must hold in the moment of a start: phase Running with an admission and a
// claim, no cancel, no deletion; the admission's hash equals the hash of what would run now (I1),
// with the domains that it would get by these settings; the Sandbox is Ready and its pod and runner
// are the ones that were claimed. kPermissionDenied says which of these does not hold.
base::Result<Admitted> Admit(const api::Execution& execution, const api::Sandbox& sandbox,
                             const policy::SandboxSettings& settings);

// The hash that an admission of this Execution must have. The effective limits are the Sandbox's,
// the domains those of network_logic.h.
std::string AdmissionHash(const api::Execution& execution, const api::Sandbox& sandbox,
                          const api::EffectiveLimits& limits,
                          const std::vector<std::string>& domains,
                          const std::string& policy_revision);

// How long one run may take: the Execution's own timeout, else the Sandbox's.
int64_t TimeoutSeconds(const api::ExecutionSpec& spec, const api::EffectiveLimits& limits);

// When the runner has ended a run by itself that was claimed at `start`.
base::Time RunDeadline(base::Time start, const api::ExecutionSpec& spec,
                       const api::EffectiveLimits& limits);

}  // namespace sandgate::op
