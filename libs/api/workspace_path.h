// The path of a file operation, as text: what can be said of it before any file system is asked.
// Pure. Used by the gateway and the operator, so that no human is asked about a path that can never
// be, and by the runner, which alone decides (symbolic links are known only there).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/api/file_entry.h"

namespace sandgate::api {

inline constexpr size_t kMaxPathBytes = 4096;
inline constexpr size_t kMaxPathDepth = 256;  // directories; each is an open descriptor on the way

struct WorkspacePath {
  std::vector<std::string> components;  // none is "", "." or ".."; empty: the workspace itself
  bool must_be_directory = false;       // it ended in "/" or "/."
};

// Relative to /workspace, or absolute beneath it. nullopt and *parsed when it may be one; else
// kPathOutsideWorkspace (any "..", another absolute path) or kInvalidPath (empty, a NUL, a name of
// more than 255 bytes, more than 4096 bytes or 256 names in all).
std::optional<FileError> ParseWorkspacePath(std::string_view path, WorkspacePath* parsed);

// `path` in quotes for a message: control characters, bytes that are not UTF-8 and characters that
// turn the direction of text are escaped, and a long one is cut.
std::string QuotePath(std::string_view path);

}  // namespace sandgate::api
