#include "runner/install_report.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "libs/api/json.h"

namespace sandgate::runner {
namespace {

using api::InstalledPackage;
using api::Json;
using Packages = std::vector<InstalledPackage>;

base::Status Bad(const std::string& problem) {
  return base::Status(base::Code::kInvalidArgument, problem);
}

bool AllOf(std::string_view text, bool (*allowed)(char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}

bool IsLowerWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsBase64(char c) {
  return IsLowerWord(c) || (c >= 'A' && c <= 'Z') || c == '+' || c == '/' || c == '=';
}

// What the API takes as a package; what it would not take is no record of one.
std::optional<InstalledPackage> Checked(InstalledPackage package) {
  if (package.hash.size() > api::kMaxPackageHashBytes) package.hash.clear();
  const auto read = api::PackagesFromJson(api::ToJson(Packages{package}));
  if (!read.ok()) return std::nullopt;
  return package;
}

// "sha256:<hex>" of pip's archive_info: `hashes` by algorithm, or the older "sha256=<hex>".
std::string PipHash(const Json& archive) {
  const Json& hashes = api::Member(archive, "hashes");
  for (const char* algorithm : {"sha256", "sha512", "sha384"}) {
    const std::string hex = api::StringOr(hashes, algorithm);
    if (AllOf(hex, IsLowerWord)) return std::string(algorithm) + ":" + hex;
  }
  const std::string text = api::StringOr(archive, "hash");
  const size_t equals = std::min(text.find('='), text.size());
  const std::string_view algorithm = std::string_view(text).substr(0, equals);
  const std::string_view hex = std::string_view(text).substr(std::min(equals + 1, text.size()));
  if (!AllOf(algorithm, IsLowerWord) || !AllOf(hex, IsLowerWord)) return "";
  return std::string(algorithm).append(":").append(hex);
}

// npm's `integrity` may have several, the strongest of which npm itself checks.
std::string NpmHash(const std::string& integrity) {
  for (const char* algorithm : {"sha512-", "sha384-", "sha256-", "sha1-"}) {
    const size_t begin = integrity.find(algorithm);
    if (begin == std::string::npos || (begin > 0 && integrity[begin - 1] != ' ')) continue;
    const size_t end = integrity.find_first_of(" ?", begin);
    const std::string hash = integrity.substr(begin, end - begin);
    if (AllOf(std::string_view(hash).substr(hash.find('-') + 1), IsBase64)) return hash;
  }
  return "";
}

// The package's name in the path of its place: "node_modules/a/node_modules/@b/c" is @b/c.
std::string NpmName(const std::string& place) {
  constexpr std::string_view kModules = "node_modules/";
  const size_t last = place.rfind(kModules);
  return last == std::string::npos ? "" : place.substr(last + kModules.size());
}

}  // namespace

base::Result<Packages> ReadPipReport(std::string_view text) {
  const auto json = api::ParseJson(text);
  if (!json.ok()) return Bad("pip's report is no JSON");
  const Json& installed = api::Member(*json, "install");
  if (!installed.is_array()) return Bad("pip's report has no list of what it installed");
  Packages asked_for, others;
  for (const Json& one : installed) {
    const Json& metadata = api::Member(one, "metadata");
    const Json& archive = api::Member(api::Member(one, "download_info"), "archive_info");
    auto package = Checked(
        {api::StringOr(metadata, "name"), api::StringOr(metadata, "version"), PipHash(archive)});
    if (!package) return Bad("pip's report names a package that cannot be");
    (api::BoolOr(one, "requested") ? asked_for : others).push_back(*std::move(package));
  }
  asked_for.insert(asked_for.end(), others.begin(), others.end());
  return asked_for;
}

base::Result<Packages> ReadNpmLock(std::string_view text) {
  const auto json = api::ParseJson(text);
  if (!json.ok()) return Bad("npm's record is no JSON");
  const Json& installed = api::Member(*json, "packages");
  if (!installed.is_object()) return Bad("npm's record has no list of packages");
  Packages packages;
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (const auto& [place, one] : installed.items()) {
    if (place.empty() || api::BoolOr(one, "link")) continue;  // the project itself; not a package
    const std::string alias_of = api::StringOr(one, "name");
    auto package =
        Checked({alias_of.empty() ? NpmName(place) : alias_of, api::StringOr(one, "version"),
                 NpmHash(api::StringOr(one, "integrity"))});
    if (!package) return Bad("npm's record names a package that cannot be");
    if (seen.insert({package->name, package->version, package->hash}).second) {
      packages.push_back(*std::move(package));
    }
  }
  return packages;
}

Packages Added(const Packages& before, const Packages& now) {
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> known;
  for (const InstalledPackage& one : before) known.insert({one.name, one.version, one.hash});
  Packages added;
  for (const InstalledPackage& one : now) {
    if (!known.contains({one.name, one.version, one.hash})) added.push_back(one);
  }
  return added;
}

}  // namespace sandgate::runner
