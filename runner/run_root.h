// The file system that a run sees.
#pragma once

#include "runner/run_spec.h"

namespace sandgate::runner {

// In the init, with the capabilities of its new user namespace: makes a root of its own (a small
// read-only tmpfs), binds the image's directories and the workspace into it, mounts a private
// /proc, /tmp, /dev and /dev/shm, writes the code to spec.code_path, and leaves the old root. What
// is not bound does not exist for the run: the runner's own directories, /sys and its cgroups,
// kubelet's termination log, other mounts of /dev. A file operation gets the workspace alone,
// and an install of the workspace the packages' place alone.
// Returns nullptr, or the step that failed (errno).
const char* BuildRoot(const RunSpec& spec);

}  // namespace sandgate::runner
