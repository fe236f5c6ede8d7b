// The operation ListFiles.
#pragma once

#include <optional>

#include "libs/api/file_entry.h"
#include "runner/file_operations.h"

namespace sandgate::runner {

// One page into state->files, files_truncated and files_cursor: the entries behind request.cursor
// in the order of their names' bytes, without "." and "..". The whole directory is read for every
// page, so what it holds in memory is one page, and what comes or goes between two pages moves no
// other entry.
std::optional<api::FileError> ListFiles(int workspace, const FileRequest& request,
                                        api::RunState* state);

}  // namespace sandgate::runner
