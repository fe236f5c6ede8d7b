#include "operator/install_logic.h"

#include "libs/policy/package.h"

namespace sandgate::op {

std::optional<Refusal> RefusedInstall(const api::ExecutionSpec& spec,
                                      const api::SandboxSpec& sandbox,
                                      const api::EffectiveLimits& limits,
                                      const policy::SandboxSettings& settings) {
  const auto registry = policy::CheckRegistry(spec.registry);
  if (!registry.ok()) return Refusal{"InvalidRegistry", registry.status().message()};
  const base::Status package =
      policy::CheckPackage(policy::InstallerOf(*registry, sandbox.language), spec.package);
  if (!package.ok()) return Refusal{"InvalidPackage", package.message()};
  if (!limits.network_enabled) {
    // The seed's own words; what to do about it is in its Troubleshooting.
    return Refusal{"NetworkAccessRequired", "Network access required for package installation"};
  }
  if (!policy::RegistryHosts(settings, *registry).empty()) return std::nullopt;
  const std::string key = "security.sandbox.network.allowed_registries." + *registry;
  if (policy::IsStandardRegistry(*registry)) {
    return Refusal{"RegistryNotConfigured", "This deployment names no host for the registry " +
                                                *registry + ": set " + key +
                                                " in its policy to the hosts of your mirror."};
  }
  return Refusal{"RegistryNotAllowed", "The registry " + *registry +
                                           " is not among this deployment's (" + key +
                                           "); use pypi or npm."};
}

std::optional<api::InstallRequest> InstallRequestFor(const api::ExecutionSpec& spec,
                                                     const api::SandboxSpec& sandbox,
                                                     const policy::SandboxSettings& settings) {
  if (spec.operation != api::Operation::kInstallPackage) return std::nullopt;
  const auto registry = policy::CheckRegistry(spec.registry);
  if (!registry.ok()) return std::nullopt;
  const api::Installer installer = policy::InstallerOf(*registry, sandbox.language);
  std::string url = policy::IndexUrl(settings, *registry, installer);
  if (url.empty()) return std::nullopt;
  return api::InstallRequest{installer, spec.package, std::move(url)};
}

api::ExecutionPhase TakeInstallResult(const api::RunState& state, api::ExecutionStatus* status) {
  if (state.exit_code != 0) {
    status->error = {"InstallFailed", "The installer exited with " +
                                          std::to_string(state.exit_code) + ": stderr says why."};
    return api::ExecutionPhase::kFailed;
  }
  if (!state.error_code.empty()) {
    // Nobody could say later what runs here.
    status->error = {"InstallFailed",
                     "The installer ended well, but what it installed cannot be "
                     "told: " +
                         state.error_message};
    return api::ExecutionPhase::kFailed;
  }
  status->packages = state.packages;
  return api::ExecutionPhase::kSucceeded;
}

std::vector<std::string> DomainsOf(const api::ExecutionSpec& spec,
                                   const policy::SandboxSettings& settings) {
  if (spec.operation != api::Operation::kInstallPackage) return spec.allowed_domains;
  const auto registry = policy::CheckRegistry(spec.registry);
  return registry.ok() ? policy::RegistryHosts(settings, *registry) : std::vector<std::string>{};
}

}  // namespace sandgate::op
