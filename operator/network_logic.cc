#include "operator/network_logic.h"

#include <algorithm>

#include "libs/egress/domain.h"
#include "libs/egress/domain_list.h"
#include "libs/egress/grant.h"
#include "operator/admission.h"
#include "operator/install_logic.h"
#include "operator/settings.h"

namespace sandgate::op {
namespace {

// A longer one would outlive the longest grant.
constexpr std::chrono::seconds kMaxNetworkTimeout =
    egress::kMaxGrantLifetime - std::chrono::minutes(1);

RunDomains No(const char* code, std::string message) {
  return {{}, Refusal{code, std::move(message)}};
}

// The policy's reader takes more than what a grant may name: a host without a dot, an address.
RunDomains OfRegistry(const api::ExecutionSpec& spec, const policy::SandboxSettings& settings) {
  RunDomains run;
  for (const std::string& host : DomainsOf(spec, settings)) {
    const auto name = egress::NormalizeDomainEntry(host);
    if (!name.ok()) {
      return No("RegistryInvalid",
                "This deployment's policy names \"" + host + "\" as a host of the registry " +
                    (spec.registry.empty() ? "pypi" : spec.registry) + ", which " +
                    name.status().message() +
                    " (security.sandbox.network.allowed_registries): name hosts by their full "
                    "domain.");
    }
    if (std::find(run.domains.begin(), run.domains.end(), *name) == run.domains.end()) {
      run.domains.push_back(*name);
    }
  }
  if (run.domains.empty()) {
    return No("RegistryNotConfigured", "This deployment names no host for that registry.");
  }
  if (!egress::NormalizeDomainList(run.domains).ok()) {
    return No("RegistryInvalid",
              "This deployment's policy names more hosts of that registry than one run can be "
              "granted (security.sandbox.network.allowed_registries): 4096 characters in all.");
  }
  return run;
}

RunDomains OfCode(const api::ExecutionSpec& spec, const api::EffectiveLimits& limits) {
  const bool all = spec.allowed_domains.empty();
  auto named = egress::NormalizeDomainList(all ? limits.allowed_domains : spec.allowed_domains);
  if (!named.ok()) {
    const std::string where = all ? "The Sandbox's spec.network." : "spec.network.";
    return No("InvalidDomain", where + named.status().message() + ".");
  }
  if (named->empty()) {
    return No("NetworkNotAllowed",
              "It asks for network and names no domain, and its Sandbox names none either: say in "
              "allowedDomains what the code may reach.");
  }
  for (const std::string& domain : *named) {
    if (WithinCeiling(domain, limits.allowed_domains)) continue;
    return No("NetworkNotAllowed",
              "The domain " + domain + " is not among the Sandbox's allowedDomains.");
  }
  return {std::move(named).value(), std::nullopt};
}

}  // namespace

Isolation IsolationOf(const api::Sandbox& sandbox) {
  const api::Condition* isolated =
      api::FindCondition(sandbox.status.conditions, kNetworkIsolatedCondition);
  if (isolated == nullptr) return Isolation::kUnknown;
  if (isolated->status == "True") return Isolation::kEnforced;
  return isolated->status == "False" ? Isolation::kOpen : Isolation::kUnknown;
}

base::Result<api::EffectiveLimits> EffectiveLimits(const policy::SandboxSettings& settings,
                                                   const api::SandboxSpec& spec) {
  auto limits = policy::Effective(settings, spec);
  if (!limits.ok()) return limits;
  auto domains = egress::NormalizeDomainList(limits->allowed_domains);
  if (!domains.ok()) {
    return base::Status(base::Code::kInvalidArgument, "spec.network." + domains.status().message());
  }
  limits->allowed_domains = std::move(domains).value();
  return limits;
}

bool WantsNetwork(const api::ExecutionSpec& spec) {
  return spec.network_enabled || spec.operation == api::Operation::kInstallPackage;
}

bool WithinCeiling(const std::string& domain, const std::vector<std::string>& ceiling) {
  const bool wildcard = domain.starts_with("*.");
  return std::any_of(ceiling.begin(), ceiling.end(), [&](const std::string& pattern) {
    return pattern == domain || (!wildcard && egress::MatchesDomain(pattern, domain));
  });
}

RunDomains DomainsFor(const api::ExecutionSpec& spec, const api::EffectiveLimits& limits,
                      const policy::SandboxSettings& settings) {
  if (!WantsNetwork(spec)) return {};
  if (api::IsFileOperation(spec.operation)) {
    return No("NetworkNotAllowed", "A file operation has no use for network: leave it out.");
  }
  if (!limits.network_enabled) {
    return No("NetworkNotAllowed",
              "The Sandbox has no network: create one with network.enabled and the domains.");
  }
  const std::chrono::seconds timeout{TimeoutSeconds(spec, limits)};
  if (timeout > kMaxNetworkTimeout) {
    return No("InvalidTimeout", "A run with network may take " +
                                    std::to_string(kMaxNetworkTimeout.count()) +
                                    " s at the most: ask for less.");
  }
  if (spec.operation == api::Operation::kInstallPackage) return OfRegistry(spec, settings);
  return OfCode(spec, limits);
}

}  // namespace sandgate::op
