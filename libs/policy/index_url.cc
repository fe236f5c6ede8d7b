#include "libs/policy/index_url.h"

#include <re2/re2.h>

#include <algorithm>

#include "libs/api/package.h"

namespace sandgate::policy {
namespace {

using re2::RE2;

constexpr char kExample[] = "; write for example https://mirror.example.com/pypi/simple/";

// Unreserved characters, the harmless delimiters and percent-encoded bytes: nothing that a shell, a
// configuration file or a second reader of the address would take for something else.
const RE2& Shape() {
  static const RE2 shape(
      R"((?i:https)://([A-Za-z0-9_.-]+)((?:/(?:[A-Za-z0-9._~@+-]|%[0-9A-Fa-f]{2})*)*))");
  return shape;
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Why people would be surprised, before the general answer.
std::string WhyNot(const std::string& url) {
  static const RE2 kHttps("^(?i:https)://");
  static const RE2 kUser("^[^/]*//[^/]*@");
  static const RE2 kPort("^[^/]*//[^/]*:");
  if (!RE2::PartialMatch(url, kHttps)) return "must begin with https://";
  if (RE2::PartialMatch(url, kUser)) {
    return "must hold no user and no password: sandboxes would read them";
  }
  if (RE2::PartialMatch(url, kPort)) return "must name no port: sandboxes reach port 443 alone";
  if (url.find_first_of("?#") != std::string::npos) return "must have no query and no fragment";
  return "is no address of an index";
}

}  // namespace

std::string WhyNoIndexUrl(const std::string& url, const std::vector<std::string>& hosts) {
  std::string host, path;
  if (url.size() >= api::kMaxIndexUrlBytes) return "is longer than an address may be here";
  if (!RE2::FullMatch(url, Shape(), &host, &path)) return WhyNot(url) + kExample;
  if (std::find(hosts.begin(), hosts.end(), Lower(host)) != hosts.end()) return "";
  std::string all;
  for (const std::string& one : hosts) all += (all.empty() ? "" : ", ") + one;
  if (all.empty()) return "is of a registry that has no hosts in allowed_registries";
  return "names the host " + host + ", which is not among the registry's in allowed_registries (" +
         all + ")";
}

std::string NormalIndexUrl(const std::string& url) {
  std::string host, path;
  if (!RE2::FullMatch(url, Shape(), &host, &path)) return "";
  if (!path.ends_with('/')) path += '/';
  return "https://" + Lower(host) + path;
}

}  // namespace sandgate::policy
