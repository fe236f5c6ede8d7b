// May this package be installed at all, and from where? Pure; asked before any human is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/sandbox.h"
#include "libs/policy/policy.h"
#include "operator/refusal.h"

namespace sandgate::op {

// `limits`: what the sandbox has. In the order in which a caller would want to hear of them.
std::optional<Refusal> RefusedInstall(const api::ExecutionSpec& spec,
                                      const api::SandboxSpec& sandbox,
                                      const api::EffectiveLimits& limits,
                                      const policy::SandboxSettings& settings);

// What one run may reach: the hosts of an install's registry, the named domains of code.
std::vector<std::string> DomainsOf(const api::ExecutionSpec& spec,
                                   const policy::SandboxSettings& settings);

}  // namespace sandgate::op
