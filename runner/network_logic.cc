#include "runner/network_logic.h"

#include <algorithm>

#include "libs/api/bad_field.h"
#include "libs/egress/domain.h"
#include "runner/socket_address.h"

namespace sandgate::runner {
namespace {

bool IsTokenCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool IsWildcard(std::string_view domain) {
  return domain.starts_with("*.");
}

bool IsPem(const std::string& text) {
  return text.find('\0') == std::string::npos &&
         text.find("-----BEGIN CERTIFICATE-----") != std::string::npos &&
         text.find("-----END CERTIFICATE-----") != std::string::npos;
}

// The pod's name is a label of the operator's making; whatever else it is stays out of the file.
bool IsHostLabel(std::string_view name) {
  std::string normal;
  const std::string probe = std::string(name) + ".invalid";
  return name.find('.') == std::string_view::npos &&
         egress::NormalizeName(probe, &normal) == egress::NameProblem::kNone;
}

}  // namespace

base::Status CheckNetwork(const api::RunNetwork& network) {
  if (!SocketAddress::Parse(network.proxy)) {
    return api::BadField("network.proxy", "must be an IP address and a port, as 192.0.2.7:8443");
  }
  if (network.grant.empty() ||
      !std::all_of(network.grant.begin(), network.grant.end(), IsTokenCharacter)) {
    return api::BadField("network.grant", "must be a token of letters, digits, '-', '_' and '.'");
  }
  for (const std::string& domain : network.domains) {
    if (!egress::IsDomainPattern(domain)) {
      return api::BadField("network.domains",
                           "one is no normalised name, with or without '*.' before it");
    }
  }
  if (!network.ca_bundle.empty() && !IsPem(network.ca_bundle)) {
    return api::BadField("network.caBundle", "must be certificates in PEM, or empty");
  }
  return base::Status::Ok();
}

std::string HostsText(const std::vector<std::string>& domains, std::string_view host_name) {
  std::string hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
  if (IsHostLabel(host_name)) hosts.append("127.0.0.1 ").append(host_name).append("\n");
  for (const std::string& domain : domains) {
    if (!IsWildcard(domain)) hosts.append("127.0.0.1 ").append(domain).append("\n");
  }
  return hosts;
}

std::vector<std::string> NetworkEnvironment(const Authorities& authorities) {
  std::vector<std::string> environment;
  const std::string proxy = "=http://127.0.0.1:" + std::to_string(kProxyDoorPort);
  for (const char* name :
       {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}) {
    environment.push_back(name + proxy);
  }
  for (const char* name : {"NO_PROXY", "no_proxy"}) {
    environment.push_back(std::string(name) + "=localhost,127.0.0.1,::1");
  }
  if (!authorities.given) return environment;
  // OpenSSL (Python's ssl with it), requests, pip, curl, git: each replaces its own by these, so
  // the file holds the image's as well.
  for (const char* name :
       {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"}) {
    environment.push_back(std::string(name) + "=" + kAllAuthoritiesPath);
  }
  // Node adds to those that are built into it, and npm with it, unless its own configuration names
  // a file. Without any of the image's, ours would take the built-in ones away from npm.
  if (authorities.in_image) {
    environment.push_back(std::string("npm_config_cafile=") + kAllAuthoritiesPath);
  }
  environment.push_back(std::string("NODE_EXTRA_CA_CERTS=") + kExtraAuthoritiesPath);
  return environment;
}

void AddNetwork(const api::RunNetwork& network, std::string_view host_name,
                bool image_has_authorities, RunSpec* spec) {
  spec->network = NetworkSpec{HostsText(network.domains, host_name), network.ca_bundle};
  for (std::string& variable :
       NetworkEnvironment({!network.ca_bundle.empty(), image_has_authorities})) {
    spec->environment.push_back(std::move(variable));
  }
}

}  // namespace sandgate::runner
