// What a run with network finds in its own root: names and authorities.
#pragma once

#include <cstdint>
#include <string>

#include "runner/run_spec.h"

namespace sandgate::runner {

// The image's own authorities, as far as they are read; a longer file refuses the run.
inline constexpr int64_t kMaxImageAuthoritiesBytes = 1024 * 1024;

// Where the image keeps them in one file; nullptr where it does not.
const char* ImageAuthoritiesPath();

// In the init, before the run's root at `staging` is entered and after the image was bound into it:
// writes kNetworkDirectory and binds the run's own /etc/hosts over the image's. With authorities of
// the deployment, kAllAuthoritiesPath has them behind the image's own, since most clients replace
// theirs by what a variable names. Returns nullptr, or the step that failed (errno).
const char* WriteNetworkFiles(const NetworkSpec& network, const std::string& staging);

// At most so much of the root's tmpfs.
int64_t NetworkFilesBytes(const NetworkSpec& network);

}  // namespace sandgate::runner
