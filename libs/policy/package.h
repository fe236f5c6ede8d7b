// Which package an install may name: a name and versions in a registry, and nothing that sends the
// installer elsewhere (addresses, paths, options, aliases) or that it would run. Pure.
#pragma once

#include <string>
#include <vector>

#include "libs/api/package.h"
#include "libs/policy/policy.h"

namespace sandgate::policy {

inline constexpr size_t kMaxRegistryBytes = 64;

using api::Installer;
using api::kMaxPackageBytes;

// pypi and npm name theirs; any other registry is one for the sandbox's language.
Installer InstallerOf(const std::string& registry, const std::optional<api::Language>& language);

// kInvalidArgument says what is wrong and what would be right.
//   pip: PEP 508 without address and marker: requests, requests[socks]==2.31.0, "x >=1,<2"
//   npm: axios, axios@1.6.0, @types/node@^20, x@latest, "x@>=1 <2"
base::Status CheckPackage(Installer installer, const std::string& package);

// "pypi" for ""; kInvalidArgument when it can be no registry's name.
base::Result<std::string> CheckRegistry(const std::string& registry);

// Where an install from that registry may go: the policy's hosts. Empty: none is configured.
std::vector<std::string> RegistryHosts(const SandboxSettings& settings,
                                       const std::string& registry);
// Where its installer looks, "https://HOST/PATH/": the policy's address, else the first host's
// ("https://HOST/simple/" for pip, "https://HOST/" for npm). "" where it has no host.
std::string IndexUrl(const SandboxSettings& settings, const std::string& registry,
                     Installer installer);
// pypi and npm: what the seed calls standard, and a deployment only has to name hosts for.
bool IsStandardRegistry(const std::string& registry);

}  // namespace sandgate::policy
