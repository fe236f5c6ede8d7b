// A file operation's process, in the place of the code's.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>

#include "runner/run_spec.h"

namespace sandgate::runner {

// Starts a child with everything the code's child has (session, limits, no privilege, the filter),
// which does spec.file in the workspace and answers as file_answer.h says. No program of the image
// is started. Returns its pid, or -1 after having told the runner which step failed.
pid_t StartFileOperation(const RunSpec& spec, const std::string& filter, const sigset_t& mask);

}  // namespace sandgate::runner
