#include "operator/certificates.h"

#include <arpa/inet.h>

#include <array>
#include <set>

#include "libs/api/runner_protocol.h"
#include "libs/base/log.h"

namespace sandgate::op {
namespace {

using api::Json;
using base::Code;
using base::Result;
using base::Status;

constexpr std::chrono::seconds kAuthorityLifetime{10LL * 365 * 24 * 3600};
constexpr std::chrono::seconds kOperatorLifetime{30LL * 24 * 3600};
constexpr std::chrono::seconds kRenewBefore{30LL * 24 * 3600};
constexpr int kAttempts = 4;  // against others who write the same Secret
constexpr char kCertificateKey[] = "tls.crt";
constexpr char kPrivateKey[] = "tls.key";
constexpr char kAuthorityKey[] = "ca.crt";

// "" when it is absent or no base64.
std::string DataOf(const Json& secret, const char* key) {
  return api::Base64Decode(api::StringOr(api::Member(secret, "data"), key)).value_or("");
}

http::TlsIdentity IdentityOf(const Json& secret) {
  return {DataOf(secret, kCertificateKey), DataOf(secret, kPrivateKey)};
}

Json DataFor(const http::TlsIdentity& identity) {
  return {{kCertificateKey, api::Base64Encode(identity.certificate_pem)},
          {kPrivateKey, api::Base64Encode(identity.key_pem)}};
}

Json NewSecret(const Settings& settings, const char* name, const char* type, Json data) {
  return {
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"metadata",
       {{"name", name}, {"namespace", settings.ns}, {"labels", {{kManagedByLabel, kManagedBy}}}}},
      {"type", type},
      {"data", std::move(data)}};
}

Result<http::CertificateAuthority> AuthorityOf(const Json& secret, base::Time now) {
  const std::string context = std::string("Secret ") + kCaSecret;
  auto authority = http::CertificateAuthority::Load(IdentityOf(secret));
  if (!authority.ok()) return authority.status().WithContext(context);
  const auto expiry = http::CertificateExpiry(authority->certificate_pem());
  if (!expiry.ok()) return expiry.status().WithContext(context);
  if (*expiry <= now) {
    return Status(Code::kInvalidArgument,
                  context + ": the authority has expired; delete the Secret for a new one");
  }
  return authority;
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

std::set<std::string> HostsOf(const ServerCertificate& wanted, const Settings& settings) {
  const std::string name = wanted.service;
  const std::string in_namespace = name + "." + settings.ns;
  std::set<std::string> hosts = {name, in_namespace, in_namespace + ".svc",
                                 in_namespace + ".svc.cluster.local"};
  hosts.insert(wanted.hosts.begin(), wanted.hosts.end());
  return hosts;
}

std::string Join(const std::set<std::string>& hosts) {
  std::string text;
  for (const std::string& host : hosts) text += (text.empty() ? "" : ",") + host;
  return text;
}

// "" when the Secret needs no writing.
std::string WhyRenew(const Json& secret, const http::CertificateAuthority& authority,
                     const std::string& hosts, base::Time now) {
  const http::TlsIdentity identity = IdentityOf(secret);
  if (DataOf(secret, kAuthorityKey) != authority.certificate_pem() || !authority.Issued(identity)) {
    return "not of this authority";
  }
  const Json& annotations = api::Member(api::Member(secret, "metadata"), "annotations");
  if (api::StringOr(annotations, kHostsAnnotation) != hosts) return "for other hosts";
  const auto expiry = http::CertificateExpiry(identity.certificate_pem);
  if (!expiry.ok() || *expiry <= now + kRenewBefore) return "expires soon";
  return "";
}

Result<http::TlsIdentity> Issue(const http::CertificateAuthority& authority,
                                const ServerCertificate& wanted, const std::set<std::string>& hosts,
                                base::Time now) {
  http::CertificateRequest request;
  request.common_name = wanted.service;
  for (const std::string& host : hosts) {
    (IsAddress(host) ? request.ip_addresses : request.dns_names).push_back(host);
  }
  request.uris = {wanted.uri};
  request.server = true;
  request.lifetime = kCertificateLifetime;
  return authority.Issue(request, now);
}

Result<Json> Create(const kube::Api& api, const Settings& settings, const char* name, Json data,
                    const std::string& hosts) {
  Json secret = NewSecret(settings, name, "kubernetes.io/tls", std::move(data));
  secret["metadata"]["annotations"] = {{kHostsAnnotation, hosts}};
  return api.Create(kube::kSecrets, settings.ns, secret);
}

// With the version that was read: of two operators only one replaces it.
Result<Json> Replace(const kube::Api& api, const Settings& settings, const char* name,
                     const Json& found, Json data, const std::string& hosts) {
  const Json& version = api::Member(api::Member(found, "metadata"), "resourceVersion");
  const Json patch = {
      {"metadata", {{"resourceVersion", version}, {"annotations", {{kHostsAnnotation, hosts}}}}},
      {"data", std::move(data)}};
  return api.Patch(kube::kSecrets, settings.ns, name, kube::PatchType::kMerge, patch);
}

}  // namespace

Result<http::CertificateAuthority> EnsureAuthority(const kube::Api& api, const Settings& settings,
                                                   base::Time now) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = api.Get(kube::kSecrets, settings.ns, kCaSecret);
    if (found.ok()) return AuthorityOf(*found, now);
    if (found.status().code() != Code::kNotFound) return found.status();
    const auto fresh = http::CertificateAuthority::Create("sandgate-ca", kAuthorityLifetime, now);
    if (!fresh.ok()) return fresh.status();
    const auto created =
        api.Create(kube::kSecrets, settings.ns,
                   NewSecret(settings, kCaSecret, "Opaque", DataFor(fresh->identity())));
    if (created.ok()) {
      base::LogInfo("certificate authority created");
      return AuthorityOf(*created, now);  // what is stored is what the others read
    }
    if (created.status().code() != Code::kAlreadyExists) return created.status();
  }
  return Status(Code::kConflict, std::string("Secret ") + kCaSecret + " comes and goes");
}

Result<http::TlsIdentity> OperatorIdentity(const http::CertificateAuthority& authority,
                                           base::Time now) {
  http::CertificateRequest request;
  request.common_name = "sandgate-operator";
  request.uris = {http::kOperatorUri};
  request.client = true;
  request.lifetime = kOperatorLifetime;
  return authority.Issue(request, now);
}

ServerCertificate GatewayCertificate(std::vector<std::string> hosts) {
  hosts.push_back("localhost");
  return {kGatewayTlsSecret, "sandgate-gateway", http::kGatewayUri, std::move(hosts)};
}

ServerCertificate EgressCertificate() {
  return {kEgressTlsSecret, "sandgate-egress", http::kEgressUri, {}};
}

Status EnsureServerCertificate(const kube::Api& api, const Settings& settings,
                               const http::CertificateAuthority& authority,
                               const ServerCertificate& wanted, base::Time now) {
  const std::set<std::string> hosts = HostsOf(wanted, settings);
  const std::string list = Join(hosts);
  Status last;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = api.Get(kube::kSecrets, settings.ns, wanted.secret);
    if (!found.ok() && found.status().code() != Code::kNotFound) return found.status();
    const std::string why = found.ok() ? WhyRenew(*found, authority, list, now) : "missing";
    if (why.empty()) return Status::Ok();
    const auto identity = Issue(authority, wanted, hosts, now);
    if (!identity.ok()) return identity.status().WithContext("making the certificate");
    Json data = DataFor(*identity);
    data[kAuthorityKey] = api::Base64Encode(authority.certificate_pem());
    const auto written = found.ok()
                             ? Replace(api, settings, wanted.secret, *found, std::move(data), list)
                             : Create(api, settings, wanted.secret, std::move(data), list);
    if (written.ok()) {
      base::LogInfo("certificate written",
                    {{"secret", wanted.secret}, {"why", why}, {"hosts", list}});
      return Status::Ok();
    }
    last = written.status();
    if (last.code() != Code::kAlreadyExists && last.code() != Code::kConflict &&
        last.code() != Code::kNotFound) {
      return last;
    }
  }
  return Status(Code::kConflict, last.message());
}

}  // namespace sandgate::op
