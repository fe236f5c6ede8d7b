// What a file operation answers beside bytes: a directory's entries, or what went wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/api/json.h"
#include "libs/base/clock.h"

namespace sandgate::api {

enum class FileType { kFile, kDirectory, kSymlink, kOther };
const char* FileTypeName(FileType type);  // "file", "directory", "symlink", "other"
std::optional<FileType> ParseFileType(std::string_view name);

// One entry of a directory in the workspace. Code in the sandbox chooses the name and the times.
struct FileEntry {
  std::string name;         // UTF-8; bytes that are none stand as U+FFFD, and name_base64 is set
  std::string name_base64;  // the name's exact bytes; "" where `name` is exact
  FileType type = FileType::kOther;
  int64_t size = 0;  // bytes of a file, 0 for anything else
  base::Time mtime;  // whole seconds, from 1970 to 2261

  std::string Bytes() const;  // the name as the directory has it
  bool operator==(const FileEntry&) const = default;
};

// An entry of these bytes' name. Times outside of what base::Time holds become its nearest end.
FileEntry MakeFileEntry(const std::string& name_bytes, FileType type, int64_t size,
                        int64_t mtime_seconds);

// As in an Execution's status.files. Reading skips what is no entry.
Json ToJson(const std::vector<FileEntry>& files);
std::vector<FileEntry> FilesFromJson(const Json& list);

// Limits of one page of a listing.
inline constexpr int64_t kMaxListLimit = 4096;
inline constexpr int64_t kDefaultListLimit = 1000;
inline constexpr size_t kMaxListBytes = 512 * 1024;  // as CostInJson counts
inline constexpr size_t kMaxNameBytes = 255;         // NAME_MAX
// What the entry costs in the API server's JSON at the most, where `<` and control characters take
// six bytes each.
size_t CostInJson(const FileEntry& entry);

// The opaque text that asks for the page after the entry of that name: base64url of its bytes.
std::string ListCursor(std::string_view last_name);
// The bytes of that name; nullopt for what ListCursor never gave.
std::optional<std::string> ReadListCursor(std::string_view cursor);

// status.error.code of a file operation that could not be done.
enum class FileErrorCode {
  kFileNotFound,
  kIsADirectory,
  kNotADirectory,
  kNotARegularFile,  // a device, FIFO or socket
  kPathOutsideWorkspace,
  kInvalidPath,
  kFileTooLarge,
  kDiskFull,
  kPermissionDenied,
  kInvalidCursor,
  kFileOperationFailed,  // what the kernel says beyond all this
};
const char* FileErrorName(FileErrorCode code);  // "FileNotFound"
std::optional<FileErrorCode> ParseFileError(std::string_view name);

struct FileError {
  FileErrorCode code = FileErrorCode::kFileOperationFailed;
  std::string message;  // one sentence for the agent; names the path as it was given, escaped
};

}  // namespace sandgate::api
