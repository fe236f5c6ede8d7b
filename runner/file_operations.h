// WriteFile, ReadFile and ListFiles on an open workspace, and the reading of an install's report.
// Ordinary, single-threaded code, which knows nothing of runs: in a sandbox it works inside of a
// run's namespaces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/api/runner_protocol.h"

namespace sandgate::runner {

struct FileRequest {
  api::Operation operation = api::Operation::kReadFile;
  std::string path;
  // WriteFile
  std::string content;
  bool append = false;
  std::optional<uint32_t> mode;
  // ReadFile: the largest file that is read
  int64_t max_bytes = 0;
  // ListFiles
  int64_t limit = api::kDefaultListLimit;
  std::string cursor;
  // InstallPackage: whose report is read, once it has ended
  api::Installer installer = api::Installer::kPip;

  bool operator==(const FileRequest&) const = default;
};

// Does it beneath `workspace`, an open directory. The state is finished: error_code and
// error_message say what could not be done; else `out` is the file that was read, or the listing
// stands there. Never blocks on what it opens, and holds at most max_bytes of a file and one page
// of names, however much there is.
//
// A write is made whole or not at all: beside the target under a name of its own, then renamed over
// it, so that a reader sees the old file or the new one. A symbolic link that stands there is
// replaced and never followed. Missing directories are made, and stay when the write fails. Without
// `mode` the file gets 0644.
//
// An append goes to a regular file alone, which keeps its mode when none is given, and its length
// when not all of it fits.
//
// The report of an install becomes the state's packages, as many as a state may have; how many more
// there are stands in error_message.
api::RunState RunFileOperation(int workspace, const FileRequest& request);

// Reads a regular file of the workspace whole, however it is reached there.
std::optional<api::FileError> ReadWorkspaceFile(int workspace, const FileRequest& request,
                                                std::string* content);

}  // namespace sandgate::runner
