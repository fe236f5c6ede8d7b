// May this package be installed at all, and from where? Pure; asked before any human is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/runner_protocol.h"
#include "libs/api/sandbox.h"
#include "libs/policy/policy.h"
#include "operator/refusal.h"

namespace sandgate::op {

// `limits`: what the sandbox has. In the order in which a caller would want to hear of them.
std::optional<Refusal> RefusedInstall(const api::ExecutionSpec& spec,
                                      const api::SandboxSpec& sandbox,
                                      const api::EffectiveLimits& limits,
                                      const policy::SandboxSettings& settings);

// What the runner has to do for an install that RefusedInstall let pass: nullopt for other
// operations, and where the policy no longer names a host for the registry.
std::optional<api::InstallRequest> InstallRequestFor(const api::ExecutionSpec& spec,
                                                     const api::SandboxSpec& sandbox,
                                                     const policy::SandboxSettings& settings);

// Fills the result of an installer that ran to its end into `status`, its streams excepted. Returns
// the phase.
api::ExecutionPhase TakeInstallResult(const api::RunState& state, api::ExecutionStatus* status);

// What one run may reach: the hosts of an install's registry, the named domains of code.
std::vector<std::string> DomainsOf(const api::ExecutionSpec& spec,
                                   const policy::SandboxSettings& settings);

}  // namespace sandgate::op
