// The variables of a run. Nothing of the runner's own is inherited. Pure.
#pragma once

#include <string>
#include <vector>

#include "libs/api/package.h"
#include "runner/packages.h"

namespace sandgate::runner {

// Where the image's own programs are. An interpreter is looked for here alone: what a package calls
// by its name is none.
inline constexpr char kImagePath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Of every run that sees its workspace so.
std::vector<std::string> RunEnvironment(PackagesView view);

// Of an install, beside those: the installer's whole configuration, since it reads no file.
std::vector<std::string> InstallEnvironment(const api::InstallRequest& install,
                                            int64_t memory_bytes);

// V8 reserves far more address space than it uses, so it gets its own limit: three quarters, since
// buffers and code live outside of this heap.
std::string NodeHeapFlag(int64_t memory_bytes);

}  // namespace sandgate::runner
