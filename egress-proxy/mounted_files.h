// Keys and certificates on disk, which are replaced under us (mounted Secrets, rotation).
#pragma once

#include <string>
#include <vector>

#include "libs/base/status.h"
#include "libs/http/server.h"

namespace sandgate::egress {

// tls.crt and tls.key of `tls_dir`, and the client CA. kInvalidArgument names the file that cannot
// be read, is empty or has more than 1 MiB.
base::Result<http::ServerTls> ReadTlsFiles(const std::string& tls_dir,
                                           const std::string& client_ca);

// The contents of every *.pem in `dir`, in the order of their names. kInvalidArgument as above, and
// when there are more files than a verifier takes keys. An empty directory is no error.
base::Result<std::vector<std::string>> ReadKeyFiles(const std::string& dir);

// A digest of what was read, to see whether it changed.
std::string FingerprintOf(const http::ServerTls& tls);
std::string FingerprintOf(const std::vector<std::string>& keys);

}  // namespace sandgate::egress
