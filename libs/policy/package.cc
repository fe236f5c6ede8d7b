#include "libs/policy/package.h"

#include <re2/re2.h>

namespace sandgate::policy {
namespace {

using re2::RE2;

base::Status Bad(const std::string& message) {
  return base::Status(base::Code::kInvalidArgument, message);
}

// Lengths are bounded by kMaxPackageBytes where no count stands.
#define PYPI_NAME R"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?)"
#define PYPI_EXTRA R"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
#define PYPI_CLAUSE R"((?:===?|~=|!=|<=|>=|<|>) *[0-9][A-Za-z0-9.!+_-]*(?:\.\*)?)"
#define NPM_NAME R"([A-Za-z0-9][A-Za-z0-9._-]{0,213})"

// pip and npm take an existing file of such a name for the package, wherever the name came from;
// and the code before may have written one.
bool LooksLikeArchive(const std::string& text) {
  static const RE2 kArchive(
      R"((?i)\.(?:zip|whl|egg|tar|tgz|tbz2?|txz|tlz|tar\.[a-z0-9]+)(?:$|[\[\s@=<>!~,;]))");
  return RE2::PartialMatch(text, kArchive);
}

// Why people would be surprised, before the general answer.
std::string WhyNot(Installer installer, const std::string& package) {
  static const RE2 kControl(R"([\x00-\x1f\x7f])");
  static const RE2 kOption(R"(^\s*-|\s-\S)");
  static const RE2 kAddress(
      R"((?i)://|^(?:git|file|https?|github|gist|gitlab|bitbucket|link|workspace|npm):|@\s*(?:git|file|https?|npm|github|link)[:+])");
  static const RE2 kPath(R"(^\s*[./~\\]|\\|@\s*[./~]*/)");
  if (RE2::PartialMatch(package, kControl)) return "it has control characters";
  if (RE2::PartialMatch(package, kOption)) return "options of the installer are not taken";
  if (RE2::PartialMatch(package, kAddress)) {
    return "addresses and aliases are not taken, only names in the registry";
  }
  if (RE2::PartialMatch(package, kPath)) return "paths are not taken, only names in the registry";
  if (installer == Installer::kPip && package.find(';') != std::string::npos) {
    return "environment markers are not taken";
  }
  return "";
}

}  // namespace

Installer InstallerOf(const std::string& registry, const std::optional<api::Language>& language) {
  if (registry == "pypi") return Installer::kPip;
  if (registry == "npm") return Installer::kNpm;
  return language == api::Language::kJavaScript ? Installer::kNpm : Installer::kPip;
}

base::Status CheckPackage(Installer installer, const std::string& package) {
  static const RE2 kPypi(PYPI_NAME R"((?: *\[ *)" PYPI_EXTRA "(?: *, *" PYPI_EXTRA R"()* *\])?)"
                                   "(?: *" PYPI_CLAUSE "(?: *, *" PYPI_CLAUSE ")*)?");
  // A version, a range of versions, or a tag.
  static const RE2 kNpm("(?:@" NPM_NAME "/)?" NPM_NAME
                        R"((?:@[A-Za-z0-9^~<>=*][A-Za-z0-9.^~<>=*|+ -]{0,127})?)");
  if (package.empty()) return Bad("package: must not be empty");
  if (package.size() > kMaxPackageBytes) {
    return Bad("package: has " + std::to_string(package.size()) + " bytes; at most " +
               std::to_string(kMaxPackageBytes) + " are allowed");
  }
  const bool pip = installer == Installer::kPip;
  std::string why = WhyNot(installer, package);
  if (why.empty() && LooksLikeArchive(package)) {
    why = "it ends like the name of an archive, which the installer would look for as a file";
  }
  if (why.empty() && RE2::FullMatch(package, pip ? kPypi : kNpm)) return base::Status::Ok();
  if (why.empty()) why = "it is no name with optional versions";
  return Bad("package: " + why +
             (pip ? "; write for example requests==2.31.0 or \"requests[socks]>=2,<3\""
                  : "; write for example axios@1.6.0 or @types/node@^20"));
}

base::Result<std::string> CheckRegistry(const std::string& registry) {
  static const RE2 kName("[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?");
  if (registry.empty()) return std::string("pypi");
  if (registry.size() <= kMaxRegistryBytes && RE2::FullMatch(registry, kName)) return registry;
  return Bad("registry: must be a registry's name, pypi or npm, and no address");
}

std::vector<std::string> RegistryHosts(const SandboxSettings& settings,
                                       const std::string& registry) {
  const auto found = settings.allowed_registries.find(registry);
  return found == settings.allowed_registries.end() ? std::vector<std::string>{} : found->second;
}

std::string IndexUrl(const SandboxSettings& settings, const std::string& registry,
                     Installer installer) {
  const std::vector<std::string> hosts = RegistryHosts(settings, registry);
  if (hosts.empty()) return "";
  const auto given = settings.registry_urls.find(registry);
  if (given != settings.registry_urls.end()) return given->second;
  return "https://" + hosts.front() + (installer == Installer::kPip ? "/simple/" : "/");
}

bool IsStandardRegistry(const std::string& registry) {
  return registry == "pypi" || registry == "npm";
}

}  // namespace sandgate::policy
