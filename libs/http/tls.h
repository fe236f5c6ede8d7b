// Certificates and keys as PEM text, and the small certificate authority of the operator.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace sandgate::http {

// URI names in certificates. The operator's own client certificate carries kOperatorUri; a
// sandbox's carries SandboxUri(uid): pod addresses are reused, UIDs never.
inline constexpr char kOperatorUri[] = "spiffe://sandgate.dev/operator";
inline constexpr char kGatewayUri[] = "spiffe://sandgate.dev/gateway";
inline constexpr char kEgressUri[] = "spiffe://sandgate.dev/egress";
std::string SandboxUri(const std::string& sandbox_uid);

// A certificate with its private key. `key_pem` is a secret: never log it, never pass it in argv.
struct TlsIdentity {
  std::string certificate_pem;  // leaf first, then the chain
  std::string key_pem;

  bool empty() const { return certificate_pem.empty(); }
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> uris;
  bool server = false;  // extended key usage serverAuth
  bool client = false;  // extended key usage clientAuth
  std::chrono::seconds lifetime = std::chrono::hours(24);
};

// An ECDSA P-256 authority. Immutable and thread-safe once made.
class CertificateAuthority {
 public:
  // A new self-signed authority (basicConstraints CA, pathlen 0).
  static base::Result<CertificateAuthority> Create(const std::string& common_name,
                                                   std::chrono::seconds lifetime, base::Time now);
  // From what `identity()` gave; kInvalidArgument when key and certificate do not fit.
  static base::Result<CertificateAuthority> Load(TlsIdentity identity);

  // A fresh key and a certificate for it, valid from 5 minutes before `now` (clock skew).
  base::Result<TlsIdentity> Issue(const CertificateRequest& request, base::Time now) const;

  // Whether this authority signed the (first) certificate and the key fits it. Its dates and names
  // are the caller's business.
  bool Issued(const TlsIdentity& identity) const;

  const TlsIdentity& identity() const { return identity_; }
  const std::string& certificate_pem() const { return identity_.certificate_pem; }

 private:
  explicit CertificateAuthority(TlsIdentity identity) : identity_(std::move(identity)) {}
  TlsIdentity identity_;
};

// The certificates of `pem`, written anew one after the other, and nothing else that stands there
// (a key, text); kInvalidArgument when there is none, or one cannot be read.
base::Result<std::string> OnlyCertificates(const std::string& pem);

// When the first certificate of `pem` stops being valid; kInvalidArgument if it is none.
base::Result<base::Time> CertificateExpiry(const std::string& pem);

}  // namespace sandgate::http
