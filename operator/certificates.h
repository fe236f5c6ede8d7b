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

// On the gateway's Secret: the names its certificate is for, sorted, separated by commas.
inline constexpr char kHostsAnnotation[] = "sandgate.dev/hosts";

// From Secret sandgate-ca, which is created if there is none: of operators that start together one
// creates it, and all end with the same authority. kInvalidArgument: the Secret holds no usable
// authority, or an expired one; it is never overwritten, since sandboxes trust what it held.
base::Result<http::CertificateAuthority> EnsureAuthority(const kube::Api& api,
                                                         const Settings& settings, base::Time now);

// The operator's client certificate towards runners, for 30 days; in memory only.
base::Result<http::TlsIdentity> OperatorIdentity(const http::CertificateAuthority& authority,
                                                 base::Time now);

// Secret sandgate-gateway-tls (tls.crt, tls.key, ca.crt) for the gateway's Service names, localhost
// and `extra_hosts` (names, or IP addresses). Written when it is missing, expires within 30 days,
// is not of this authority or not for exactly these hosts; else nothing is written. Safe to call
// from several operators. kConflict: others wrote at the same time again and again; call again.
base::Status EnsureGatewayCertificate(const kube::Api& api, const Settings& settings,
                                      const http::CertificateAuthority& authority,
                                      const std::vector<std::string>& extra_hosts, base::Time now);

}  // namespace sandgate::op
