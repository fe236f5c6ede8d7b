// After an install: what it brought, from the files that its installer left.
#pragma once

#include <optional>

#include "libs/api/runner_protocol.h"
#include "libs/api/workspace_path.h"

namespace sandgate::runner {

// Runs as a file operation does, in namespaces of its own and beneath `workspace`, after every
// process of the install is gone. Fills state->packages; of those that do not fit there the number
// is told in state->error_message. What cannot be read, or is no report, is an error.
std::optional<api::FileError> ReadInstallRecord(int workspace, api::Installer installer,
                                                api::RunState* state);

}  // namespace sandgate::runner
