// OpenSSL contexts from PEM text, and what a verified peer is called. For this folder and the egress
// proxy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/base/status.h"
#include "libs/http/asio.h"
#include "libs/http/server.h"
#include "libs/http/tls.h"

namespace sandgate::http {

// kInvalidArgument when a PEM text holds nothing usable or key and certificate do not fit.
base::Result<std::shared_ptr<TlsContext>> MakeServerContext(const ServerTls& tls);
base::Result<std::shared_ptr<TlsContext>> MakeClientContext(const TlsIdentity& identity,
                                                            const std::string& ca_pem);
// For servers of other people; `ca_pem` "" means the system's authorities.
base::Result<std::shared_ptr<TlsContext>> MakeWebContext(const std::string& ca_pem);
// Before the handshake: the server's certificate must name that host, which SNI tells it.
// False if OpenSSL refuses the name.
bool DemandHost(SSL* tls, const std::string& host, bool is_ip);
// Why the peer's certificate was refused; "" if it was not.
std::string WhyUnverified(SSL* tls);

// Whether the peer presented a certificate that the context's authority signed.
bool PeerIsVerified(SSL* tls);
// The URI subject alternative names of the peer's certificate; empty when it presented none.
// Names with a NUL inside are left out: two readers could read two names.
std::vector<std::string> PeerUris(SSL* tls);

}  // namespace sandgate::http
