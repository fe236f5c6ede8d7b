// Small files, whole.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "libs/base/status.h"

namespace sandgate::runner {

// kNotFound, kResourceExhausted (longer than `max_bytes`), kInternal. Messages name the path only.
base::Result<std::string> ReadFile(const std::string& path, size_t max_bytes);

// Makes the file with exactly this mode, whole or not at all: a reader never sees half of it, and
// an older one of that name is replaced.
base::Status WriteFileAtomically(const std::string& path, std::string_view text, mode_t mode);

}  // namespace sandgate::runner
