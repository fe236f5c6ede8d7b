// The operation WriteFile; see file_operations.h for what it promises.
#pragma once

#include <optional>

#include "libs/api/file_entry.h"
#include "runner/file_operations.h"

namespace sandgate::runner {

std::optional<api::FileError> WriteFile(int workspace, const FileRequest& request);

}  // namespace sandgate::runner
