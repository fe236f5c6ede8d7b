#include "libs/api/package.h"

#include <algorithm>

#include "libs/api/bad_field.h"

namespace sandgate::api {
namespace {

bool Printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool Fits(const std::string& text, size_t low, size_t high) {
  return text.size() >= low && text.size() <= high && Printable(text);
}

}  // namespace

const char* InstallerName(Installer installer) {
  switch (installer) {
    case Installer::kPip:
      return "pip";
    case Installer::kNpm:
      return "npm";
  }
  return "";
}

std::optional<Installer> ParseInstaller(std::string_view name) {
  for (const Installer installer : {Installer::kPip, Installer::kNpm}) {
    if (name == InstallerName(installer)) return installer;
  }
  return std::nullopt;
}

Json ToJson(const InstallRequest& install) {
  return {{"installer", InstallerName(install.installer)},
          {"package", install.package},
          {"indexUrl", install.index_url}};
}

base::Result<InstallRequest> InstallRequestFromJson(const Json& json) {
  InstallRequest install;
  const auto installer = ParseInstaller(StringOr(json, "installer"));
  if (!installer) return BadField("install.installer", "must be pip or npm");
  install.installer = *installer;
  install.package = StringOr(json, "package");
  // An option of the installer is no package.
  if (install.package.empty() || install.package.size() > kMaxPackageBytes ||
      install.package.front() == '-') {
    return BadField("install.package", "must be a package, at most 256 bytes");
  }
  install.index_url = StringOr(json, "indexUrl");
  if (!Fits(install.index_url, 1, kMaxIndexUrlBytes) ||
      !install.index_url.starts_with("https://")) {
    return BadField("install.indexUrl", "must be an https:// address, at most 1024 bytes");
  }
  return install;
}

Json ToJson(const std::vector<InstalledPackage>& packages) {
  Json list = Json::array();
  for (const InstalledPackage& package : packages) {
    Json one = {{"name", package.name}, {"version", package.version}};
    if (!package.hash.empty()) one["hash"] = package.hash;
    list.push_back(std::move(one));
  }
  return list;
}

base::Result<std::vector<InstalledPackage>> PackagesFromJson(const Json& list) {
  std::vector<InstalledPackage> packages;
  if (list.is_null()) return packages;
  if (!list.is_array()) return BadField("packages", "must be a list");
  if (list.size() > kMaxInstalledPackages) return BadField("packages", "are too many");
  for (const Json& json : list) {
    InstalledPackage package{StringOr(json, "name"), StringOr(json, "version"),
                             StringOr(json, "hash")};
    if (!Fits(package.name, 1, kMaxPackageNameBytes) ||
        !Fits(package.version, 1, kMaxPackageVersionBytes) ||
        !Fits(package.hash, 0, kMaxPackageHashBytes)) {
      return BadField("packages", "one has a name, version or hash that none can have");
    }
    packages.push_back(std::move(package));
  }
  return packages;
}

}  // namespace sandgate::api
