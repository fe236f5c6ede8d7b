#include "runner/file_operations.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runner/file_list.h"
#include "runner/file_walk.h"
#include "runner/file_write.h"
#include "runner/install_record.h"

namespace sandgate::runner {
namespace {

using api::FileError;
using api::FileErrorCode;
using MaybeError = std::optional<FileError>;

constexpr size_t kReadBytes = 64 * 1024;

FileError TooLarge(const FileRequest& request, const std::string& size) {
  return {FileErrorCode::kFileTooLarge,
          api::QuotePath(request.path) + " has " + size + " bytes; at most " +
              std::to_string(request.max_bytes) +
              " can be read here, the sandbox's output limit. Read it in parts, by code."};
}

// Opened only when it looks like a file, without waiting for anybody, and looked at again.
MaybeError OpenFile(const Place& place, const std::string& path, base::Fd* file,
                    struct stat* info) {
  if (fstatat(place.directory.get(), place.name.c_str(), info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrorOf(errno, path);
  }
  if (S_ISDIR(info->st_mode)) return ErrorOf(EISDIR, path);
  if (!S_ISREG(info->st_mode)) return ErrorOf(S_ISLNK(info->st_mode) ? ELOOP : ENXIO, path);
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
  *file = base::Fd(openat(place.directory.get(), place.name.c_str(), kFlags));
  if (!file->valid() || fstat(file->get(), info) != 0) return ErrorOf(errno, path);
  if (!S_ISREG(info->st_mode)) return ErrorOf(ENXIO, path);
  return std::nullopt;
}

}  // namespace

MaybeError ReadWorkspaceFile(int workspace, const FileRequest& request, std::string* content) {
  Place place;
  const WalkOptions options{
      .make_directories = false, .follow_last = true, .last_is_directory = false};
  if (auto error = FindPlace(workspace, request.path, options, &place)) return error;
  if (place.name.empty()) return ErrorOf(EISDIR, request.path);
  base::Fd file;
  struct stat info = {};
  if (auto error = OpenFile(place, request.path, &file, &info)) return error;
  if (info.st_size > request.max_bytes) return TooLarge(request, std::to_string(info.st_size));
  const auto limit = static_cast<size_t>(request.max_bytes);
  content->reserve(static_cast<size_t>(info.st_size));
  char bytes[kReadBytes];
  for (;;) {
    const ssize_t got = read(file.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrorOf(errno, request.path);
    if (got == 0) return std::nullopt;
    content->append(bytes, static_cast<size_t>(got));
    if (content->size() > limit) return TooLarge(request, "more");
  }
}

namespace {

MaybeError Run(int workspace, const FileRequest& request, api::RunState* state) {
  switch (request.operation) {
    case api::Operation::kWriteFile:
      return WriteFile(workspace, request);
    case api::Operation::kReadFile:
      return ReadWorkspaceFile(workspace, request, &state->out);
    case api::Operation::kListFiles:
      return ListFiles(workspace, request, state);
    case api::Operation::kInstallPackage:
      return ReadInstallRecord(workspace, request.installer, state);
    case api::Operation::kExecute:
      break;
  }
  return FileError{FileErrorCode::kFileOperationFailed, "This is no file operation."};
}

}  // namespace

api::RunState RunFileOperation(int workspace, const FileRequest& request) {
  api::RunState state;
  state.finished = state.started = true;
  if (const MaybeError error = Run(workspace, request, &state)) {
    state = {};
    state.finished = state.started = true;
    state.error_code = api::FileErrorName(error->code);
    state.error_message = error->message;
  }
  return state;
}

}  // namespace sandgate::runner
