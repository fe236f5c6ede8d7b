#include "runner/file_list.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string_view>

#include "runner/file_walk.h"

namespace sandgate::runner {
namespace {

using api::FileError;
using MaybeError = std::optional<FileError>;
using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

api::FileType TypeOf(mode_t mode) {
  if (S_ISREG(mode)) return api::FileType::kFile;
  if (S_ISDIR(mode)) return api::FileType::kDirectory;
  if (S_ISLNK(mode)) return api::FileType::kSymlink;
  return api::FileType::kOther;
}

MaybeError Open(int workspace, const FileRequest& request, Directory* directory) {
  Place place;
  const WalkOptions options{
      .make_directories = false, .follow_last = true, .last_is_directory = true};
  const std::string& path = request.path.empty() ? "." : request.path;
  if (auto error = FindPlace(workspace, path, options, &place)) return error;
  base::Fd fd(openat(place.directory.get(), ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return ErrorOf(errno, path);
  directory->reset(fdopendir(fd.get()));
  if (*directory == nullptr) return ErrorOf(errno, path);
  fd.Release();
  return std::nullopt;
}

// The first `limit` names behind `after`, and whether there are more.
MaybeError Names(DIR* directory, const FileRequest& request, const std::string& after,
                 std::set<std::string>* names, bool* more) {
  const auto limit = static_cast<size_t>(request.limit);
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(directory);
    if (entry == nullptr && errno != 0) return ErrorOf(errno, request.path);
    if (entry == nullptr) return std::nullopt;
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name <= after) continue;
    if (names->size() == limit) {
      *more = true;
      if (name >= *names->rbegin()) continue;
      names->erase(std::prev(names->end()));
    }
    names->emplace(name);
  }
}

// The entries of these names, as many as fit into one page.
void Entries(int directory, const std::set<std::string>& names, bool more, api::RunState* state) {
  size_t cost = 0;
  std::string last;
  for (const std::string& name : names) {
    struct stat info = {};
    if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone
    api::FileEntry entry =
        api::MakeFileEntry(name, TypeOf(info.st_mode), info.st_size, info.st_mtim.tv_sec);
    cost += api::CostInJson(entry);
    if (cost > api::kMaxListBytes) {
      more = true;
      break;
    }
    state->files.push_back(std::move(entry));
    last = name;
  }
  state->files_truncated = more && !last.empty();
  if (state->files_truncated) state->files_cursor = api::ListCursor(last);
}

}  // namespace

MaybeError ListFiles(int workspace, const FileRequest& request, api::RunState* state) {
  std::string after;
  if (!request.cursor.empty()) {
    auto name = api::ReadListCursor(request.cursor);
    if (!name) {
      return FileError{api::FileErrorCode::kInvalidCursor,
                       "The cursor is not one that a listing gave."};
    }
    after = *std::move(name);
  }
  Directory directory(nullptr, closedir);
  if (auto error = Open(workspace, request, &directory)) return error;
  std::set<std::string> names;
  bool more = false;
  if (auto error = Names(directory.get(), request, after, &names, &more)) return error;
  Entries(dirfd(directory.get()), names, more, state);
  return std::nullopt;
}

}  // namespace sandgate::runner
