// The network of one run: which domains it gets, and why it gets none. Pure; asked before any human
// is, and again before the run starts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/sandbox.h"
#include "libs/policy/policy.h"
#include "operator/isolation_logic.h"
#include "operator/refusal.h"

namespace sandgate::op {

// What this deployment can give to a run with network, as far as this process knows.
struct EgressView {
  enum class State {
    kOff,     // it has no egress proxy
    kBroken,  // until somebody mends it
    kNotYet,  // by itself, soon
    kReady,
  };
  State state = State::kOff;
  std::string problem;  // for whoever asked for network; "" when it is ready
};

// Whether the NetworkPolicies hold that sandbox, as its condition NetworkIsolated says.
Isolation IsolationOf(const api::Sandbox& sandbox);

// policy::Effective with the domains in their normal form (egress/domain_list.h). kInvalidArgument
// names field and entry.
base::Result<api::EffectiveLimits> EffectiveLimits(const policy::SandboxSettings& settings,
                                                   const api::SandboxSpec& spec);

bool WantsNetwork(const api::ExecutionSpec& spec);

// Whether a normalised entry of an Execution lies within a Sandbox's list: it stands there itself,
// or a wildcard covers it. A wildcard is covered by the same wildcard alone.
bool WithinCeiling(const std::string& domain, const std::vector<std::string>& ceiling);

struct RunDomains {
  std::vector<std::string> domains;  // in normal form; empty: no network is wanted
  std::optional<Refusal> refused;    // it gets none, and must not run
};
// The hosts of an install's registry, the named domains of code, or, where it names none, those of
// its Sandbox. `limits` are the Sandbox's effective ones.
RunDomains DomainsFor(const api::ExecutionSpec& spec, const api::EffectiveLimits& limits,
                      const policy::SandboxSettings& settings);

}  // namespace sandgate::op
