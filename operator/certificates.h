// The operator's certificate authority and what it signs. Keys live in Secrets of the operator's
// own namespace, and in no log.
#pragma once

#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/http/tls.h"
#include "libs/kube/api.h"
#include "operator/settings.h"

namespace sandgate::op {

// On such a Secret: the names its certificate is for, sorted, separated by commas.
inline constexpr char kHostsAnnotation[] = "sandgate.dev/hosts";

// From Secret sandgate-ca, which is created if there is none: of operators that start together one
// creates it, and all end with the same authority. kInvalidArgument: the Secret holds no usable
// authority, or an expired one; it is never overwritten, since sandboxes trust what it held.
base::Result<http::CertificateAuthority> EnsureAuthority(const kube::Api& api,
                                                         const Settings& settings, base::Time now);

// The operator's client certificate towards runners, for 30 days; in memory only.
base::Result<http::TlsIdentity> OperatorIdentity(const http::CertificateAuthority& authority,
                                                 base::Time now);

// The certificate of one of our servers, in a Secret of the operator's namespace.
struct ServerCertificate {
  const char* secret;
  const char* service;             // its names in the cluster's DNS are the certificate's
  const char* uri;                 // who it is to our own programs
  std::vector<std::string> hosts;  // more names, or IP addresses
};
// Secret sandgate-gateway-tls: callers come by any name, so `hosts` and localhost are in it.
ServerCertificate GatewayCertificate(std::vector<std::string> hosts);
// Secret sandgate-egress-tls: runners know it by its URI.
ServerCertificate EgressCertificate();

// tls.crt, tls.key and ca.crt in the Secret. Written when it is missing, expires within 30 days, is
// not of this authority or not for exactly these hosts; else nothing is written. Safe to call from
// several operators. kConflict: others wrote at the same time again and again; call again.
base::Status EnsureServerCertificate(const kube::Api& api, const Settings& settings,
                                     const http::CertificateAuthority& authority,
                                     const ServerCertificate& wanted, base::Time now);

}  // namespace sandgate::op
