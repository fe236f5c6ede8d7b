// The stage's and the init's few words to the runner. Single-threaded.
#pragma once

#include <optional>
#include <string>

#include "runner/run_spec.h"

namespace sandgate::runner {

// Writes one record to a status pipe; false if the runner is gone.
bool Send(int fd, const StatusRecord& record);

// Tells the runner which step failed, with errno. Returns the exit code of a process that has
// nothing left to do.
int Refuse(int fd, const char* step);

// All bytes of a memfd, from its start. nullopt with errno on failure.
std::optional<std::string> ReadWhole(int fd);

// Writes all of `text`; false with errno on failure.
bool WriteWhole(int fd, std::string_view text);

}  // namespace sandgate::runner
