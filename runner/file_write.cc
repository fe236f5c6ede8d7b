#include "runner/file_write.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "runner/file_walk.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

using api::FileError;
using MaybeError = std::optional<FileError>;

// What a write that is under way has in the directory. Only a kill in that moment leaves one.
constexpr char kDraftPrefix[] = ".sandgate-draft-";
constexpr mode_t kDefaultMode = 0644;
constexpr mode_t kPrivateMode = 0600;  // until its content is there

// A terminate of the runner waits until the draft is gone; a write takes no longer than its bytes.
class HoldTerminate {
 public:
  HoldTerminate() {
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, &before_);
  }
  ~HoldTerminate() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HoldTerminate(const HoldTerminate&) = delete;
  HoldTerminate& operator=(const HoldTerminate&) = delete;

 private:
  sigset_t before_;
};

// A name that nobody could have taken beforehand. "" with errno.
std::string DraftName() {
  unsigned char random[16];
  if (getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) return "";
  std::string name = kDraftPrefix;
  for (const unsigned char byte : random) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned>(byte));
    name += hex;
  }
  return name;
}

int Fill(int directory, const std::string& draft, const FileRequest& request) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const base::Fd file(openat(directory, draft.c_str(), kFlags, kPrivateMode));
  if (!file.valid()) return errno;
  if (!WriteWhole(file.get(), request.content)) return errno;
  if (fchmod(file.get(), request.mode.value_or(kDefaultMode)) != 0) return errno;
  return 0;
}

MaybeError Replace(const Place& place, const FileRequest& request) {
  const int directory = place.directory.get();
  struct stat info = {};
  if (fstatat(directory, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) return ErrorOf(errno, request.path);
  } else if (S_ISDIR(info.st_mode)) {
    return ErrorOf(EISDIR, request.path);
  } else if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
    return ErrorOf(ENXIO, request.path);
  }
  const std::string draft = DraftName();
  if (draft.empty()) return ErrorOf(errno, request.path);
  const HoldTerminate hold;
  int error = Fill(directory, draft, request);
  if (error == 0 && renameat(directory, draft.c_str(), directory, place.name.c_str()) != 0) {
    error = errno;
  }
  if (error == 0) return std::nullopt;
  unlinkat(directory, draft.c_str(), 0);
  return ErrorOf(error, request.path);
}

// The file to append to, made if there is none. Neither a link nor a FIFO is ever opened.
int OpenForAppend(const Place& place, base::Fd* file, bool* made) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
  const int directory = place.directory.get();
  const char* name = place.name.c_str();
  *file = base::Fd(openat(directory, name, kFlags));
  *made = false;
  if (!file->valid() && errno == ENOENT) {
    *file = base::Fd(openat(directory, name, kFlags | O_CREAT | O_EXCL, kPrivateMode));
    *made = file->valid();
  }
  return file->valid() ? 0 : errno;
}

MaybeError Append(const Place& place, const FileRequest& request) {
  const HoldTerminate hold;
  base::Fd file;
  bool made = false;
  if (const int error = OpenForAppend(place, &file, &made)) return ErrorOf(error, request.path);
  struct stat info = {};
  if (fstat(file.get(), &info) != 0) return ErrorOf(errno, request.path);
  if (!S_ISREG(info.st_mode)) return ErrorOf(ENXIO, request.path);
  const bool wrote = WriteWhole(file.get(), request.content);
  int error = wrote ? 0 : errno;
  const bool set_mode = made || request.mode.has_value();
  if (wrote && set_mode && fchmod(file.get(), request.mode.value_or(kDefaultMode)) != 0) {
    error = errno;
  }
  if (error == 0) return std::nullopt;
  // All or nothing, as far as the file system lets us.
  if (made) {
    unlinkat(place.directory.get(), place.name.c_str(), 0);
  } else if (ftruncate(file.get(), info.st_size) != 0) {
    return FileError{api::FileErrorCode::kFileOperationFailed,
                     api::QuotePath(request.path) + " was appended to in part."};
  }
  return ErrorOf(error, request.path);
}

}  // namespace

MaybeError WriteFile(int workspace, const FileRequest& request) {
  api::WorkspacePath parsed;
  if (auto error = api::ParseWorkspacePath(request.path, &parsed)) return error;
  if (parsed.must_be_directory || parsed.components.empty()) return ErrorOf(EISDIR, request.path);
  Place place;
  const WalkOptions options{
      .make_directories = true, .follow_last = false, .last_is_directory = false};
  if (auto error = FindPlace(workspace, request.path, options, &place)) return error;
  return request.append ? Append(place, request) : Replace(place, request);
}

}  // namespace sandgate::runner
