// The system calls that a run's code may not make (libseccomp).
#pragma once

#include <string>

#include "libs/base/status.h"

namespace sandgate::runner {

// The filter as a classic BPF program. It refuses with EPERM what would undo the run's namespaces
// and mounts, look into other processes or signal the init; clone3 is ENOSYS, so that libraries
// fall back to clone, whose flags a filter can see. A call made for another architecture, x32
// included, kills the process. All else is allowed: gVisor is what stands between the code and the
// machine, this filter only holds the run in its place.
base::Result<std::string> BuildCallFilter();

}  // namespace sandgate::runner
