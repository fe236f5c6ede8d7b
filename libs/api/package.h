// What an install is asked for, and what it says it installed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/api/json.h"
#include "libs/base/status.h"

namespace sandgate::api {

enum class Installer { kPip, kNpm };
const char* InstallerName(Installer installer);  // "pip", "npm"
std::optional<Installer> ParseInstaller(std::string_view name);

inline constexpr size_t kMaxPackageBytes = 256;
inline constexpr size_t kMaxIndexUrlBytes = 1024;
// One install may bring a whole tree.
inline constexpr size_t kMaxInstalledPackages = 512;
inline constexpr size_t kMaxPackageNameBytes = 214;  // npm's own limit; PyPI's are shorter
inline constexpr size_t kMaxPackageVersionBytes = 128;
inline constexpr size_t kMaxPackageHashBytes = 256;

// Of a RunRequest of operation InstallPackage.
struct InstallRequest {
  Installer installer = Installer::kPip;
  std::string package;    // as it was given, checked by policy::CheckPackage
  std::string index_url;  // https://HOST/PATH/ of the registry

  bool operator==(const InstallRequest&) const = default;
};

Json ToJson(const InstallRequest& install);
// kInvalidArgument names the member ("install.package: ...").
base::Result<InstallRequest> InstallRequestFromJson(const Json& json);

// As the installer reports it, from inside of the sandbox: a record, no proof.
struct InstalledPackage {
  std::string name;
  std::string version;
  std::string hash;  // of the archive: "sha256:<hex>" (pip), "sha512-<base64>" (npm); may be ""

  bool operator==(const InstalledPackage&) const = default;
};

// As in status.packages. Reading refuses more than kMaxInstalledPackages, and texts that are empty,
// too long, or have other characters than printable ASCII.
Json ToJson(const std::vector<InstalledPackage>& packages);
base::Result<std::vector<InstalledPackage>> PackagesFromJson(const Json& list);

}  // namespace sandgate::api
