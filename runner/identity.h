// The runner's key: from the Secret, which only the init container mounts, over a directory in
// memory, into this process, and from then on nowhere else.
#pragma once

#include <string>

#include "libs/base/status.h"
#include "libs/http/tls.h"

namespace sandgate::runner {

struct RunnerIdentity {
  http::TlsIdentity tls;
  std::string ca_pem;
};

// In the init container: copies tls.crt, tls.key and ca.crt. Repeatable.
base::Status CopyIdentity(const std::string& from, const std::string& to);

// In the sandbox: reads the three files and unlinks them. Fails unless all of them were there and
// none can be opened any more: a runner whose key a run could find does not start.
base::Result<RunnerIdentity> TakeIdentity(const std::string& directory);

}  // namespace sandgate::runner
