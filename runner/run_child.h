// The last steps between the init and the code.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>

#include "runner/run_spec.h"

namespace sandgate::runner {

// Starts a child, and in it: own session, resource limits, no privilege, the filter, `mask` as its
// signal mask, then the interpreter. Returns its pid once the interpreter runs, or -1 after having
// told the runner which step failed.
pid_t StartCode(const RunSpec& spec, const std::string& filter, const sigset_t& mask);

// The resource limits of a run's processes, for the calling process. False with errno.
bool SetLimits(const RunSpec& spec);

}  // namespace sandgate::runner
