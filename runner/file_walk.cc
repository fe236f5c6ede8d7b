#include "runner/file_walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <string_view>
#include <vector>

namespace sandgate::runner {
namespace {

using api::FileError;
using api::FileErrorCode;

constexpr mode_t kDirectoryMode = 0755;
constexpr std::string_view kWorkspaceName = "workspace";
// How often what was just seen may be gone again. Only one run is alive, so once is a surprise.
constexpr int kMaxSurprises = 16;

class Walk {
 public:
  Walk(int workspace, const std::string& path, const WalkOptions& options)
      : workspace_(workspace), path_(path), options_(options) {}

  std::optional<FileError> Go(Place* place);

 private:
  FileError Problem(FileErrorCode code, const std::string& problem) const {
    return {code, api::QuotePath(path_) + " " + problem};
  }
  int top() const { return held_.empty() ? workspace_ : held_.back().get(); }

  std::optional<FileError> Step();
  std::optional<FileError> Enter(const std::string& name);
  std::optional<FileError> Make(const std::string& name);
  // Reads the link `name`; *is_link is false where it is none (any more), or nothing at all.
  std::optional<FileError> TryLink(const std::string& name, bool* is_link);
  std::optional<FileError> GoOn(std::string_view target);

  int workspace_;
  const std::string& path_;
  const WalkOptions options_;
  std::deque<std::string> ahead_;  // names not gone yet
  bool last_is_directory_ = false;
  std::vector<base::Fd> held_;  // the directories gone down from the workspace
  std::optional<std::string> last_;
  int hops_ = 0;
  int surprises_ = 0;
};

std::optional<FileError> Walk::Go(Place* place) {
  api::WorkspacePath parsed;
  if (auto error = api::ParseWorkspacePath(path_, &parsed)) return error;
  ahead_.assign(parsed.components.begin(), parsed.components.end());
  last_is_directory_ = options_.last_is_directory || parsed.must_be_directory;
  while (!ahead_.empty()) {
    if (auto error = Step()) return error;
  }
  place->name = last_.value_or("");
  place->directory =
      held_.empty() ? base::Fd(fcntl(workspace_, F_DUPFD_CLOEXEC, 0)) : std::move(held_.back());
  if (!place->directory.valid()) return ErrorOf(errno, path_);
  return std::nullopt;
}

std::optional<FileError> Walk::Step() {
  const std::string name = std::move(ahead_.front());
  ahead_.pop_front();
  if (name == "..") {  // of a link
    if (held_.empty()) {
      return Problem(FileErrorCode::kPathOutsideWorkspace,
                     "goes through a symbolic link that leads out of /workspace.");
    }
    held_.pop_back();
    return std::nullopt;
  }
  if (!ahead_.empty() || last_is_directory_) return Enter(name);
  if (options_.follow_last) {
    bool is_link = false;
    if (auto error = TryLink(name, &is_link)) return error;
    if (is_link) return std::nullopt;
  }
  last_ = name;
  return std::nullopt;
}

std::optional<FileError> Walk::Enter(const std::string& name) {
  if (held_.size() >= api::kMaxPathDepth) {
    return Problem(FileErrorCode::kInvalidPath, "is more than 256 directories deep.");
  }
  base::Fd directory(openat(top(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const int error = errno;
  if (directory.valid()) {
    struct stat info = {};
    if (fstat(directory.get(), &info) != 0) return ErrorOf(errno, path_);
    // The flags above promise it; the workspace's safety does not hang on that promise.
    if (!S_ISDIR(info.st_mode)) return ErrorOf(ENOTDIR, path_);
    held_.push_back(std::move(directory));
    return std::nullopt;
  }
  if (error == ENOENT && options_.make_directories) return Make(name);
  if (error != ENOTDIR && error != ELOOP) return ErrorOf(error, path_);
  bool is_link = false;
  if (auto failed = TryLink(name, &is_link)) return failed;
  return is_link ? std::nullopt : std::optional(ErrorOf(ENOTDIR, path_));
}

std::optional<FileError> Walk::Make(const std::string& name) {
  if (mkdirat(top(), name.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return ErrorOf(errno, path_);
  }
  if (++surprises_ > kMaxSurprises + static_cast<int>(api::kMaxPathDepth)) {
    return Problem(FileErrorCode::kFileOperationFailed, "changes while it is looked at.");
  }
  ahead_.push_front(name);
  return std::nullopt;
}

std::optional<FileError> Walk::TryLink(const std::string& name, bool* is_link) {
  std::string target(api::kMaxPathBytes + 1, '\0');
  const ssize_t size = readlinkat(top(), name.c_str(), target.data(), target.size());
  *is_link = size >= 0;
  if (size < 0 && errno != EINVAL && errno != ENOENT) return ErrorOf(errno, path_);
  if (size < 0) return std::nullopt;
  target.resize(static_cast<size_t>(size));
  return GoOn(target);
}

std::optional<FileError> Walk::GoOn(std::string_view target) {
  if (++hops_ > kMaxLinkHops) {
    return Problem(FileErrorCode::kInvalidPath, "goes through too many symbolic links.");
  }
  if (target.size() > api::kMaxPathBytes) {
    return Problem(FileErrorCode::kInvalidPath, "goes through a symbolic link that is too long.");
  }
  std::vector<std::string> names;
  const bool absolute = target.starts_with('/');
  if (ahead_.empty() && (target.ends_with('/') || target.ends_with("/."))) {
    last_is_directory_ = true;
  }
  for (std::string_view rest = target; !rest.empty();) {
    const size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (!name.empty() && name != ".") names.emplace_back(name);
  }
  if (absolute) {
    if (names.empty() || names.front() != kWorkspaceName) {
      return Problem(FileErrorCode::kPathOutsideWorkspace,
                     "goes through a symbolic link that leads out of /workspace.");
    }
    names.erase(names.begin());
    held_.clear();
  }
  ahead_.insert(ahead_.begin(), names.begin(), names.end());
  return std::nullopt;
}

}  // namespace

std::optional<FileError> FindPlace(int workspace, const std::string& path,
                                   const WalkOptions& options, Place* place) {
  return Walk(workspace, path, options).Go(place);
}

api::FileError ErrorOf(int error, const std::string& path) {
  const auto make = [&path](FileErrorCode code, const std::string& problem) {
    return FileError{code, api::QuotePath(path) + " " + problem};
  };
  switch (error) {
    case ENOENT:
      return make(FileErrorCode::kFileNotFound, "does not exist.");
    case EISDIR:
      return make(FileErrorCode::kIsADirectory, "is a directory.");
    case ENOTDIR:
      return make(FileErrorCode::kNotADirectory, "is not a directory, or goes through a file.");
    case ENXIO:
      return make(FileErrorCode::kNotARegularFile, "is a device, FIFO or socket, not a file.");
    case ELOOP:
      return make(FileErrorCode::kNotARegularFile, "is a symbolic link, not a file.");
    case EACCES:
    case EPERM:
    case EROFS:
      return make(FileErrorCode::kPermissionDenied,
                  "may not be used so: its permissions, or a directory's above it, forbid it.");
    case ENOSPC:
    case EDQUOT:
      return make(FileErrorCode::kDiskFull, "does not fit: the sandbox's disk is full.");
    case EFBIG:
      return make(FileErrorCode::kFileTooLarge, "would be larger than a file may be here.");
    case ENAMETOOLONG:
      return make(FileErrorCode::kInvalidPath, "has a name in it that is too long.");
    default:
      return make(FileErrorCode::kFileOperationFailed,
                  std::string("could not be used: ") + std::strerror(error) + ".");
  }
}

}  // namespace sandgate::runner
