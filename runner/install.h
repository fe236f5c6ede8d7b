// `sandgate-runner install`: what the init container of a sandbox pod does.
#pragma once

#include <string>

#include "libs/base/status.h"

namespace sandgate::runner {

struct InstallOptions {
  std::string to;        // directory for the runner's own program
  std::string secret;    // the mounted Secret
  std::string identity;  // directory in memory
};

// Copies this very program to `to`/sandgate-runner and the key to `identity`. Repeatable, as init
// containers are.
base::Status Install(const InstallOptions& options);

}  // namespace sandgate::runner
