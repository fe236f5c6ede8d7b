// From a path to an open directory in the workspace, whatever earlier code planted on the way.
//
// gVisor has no openat2, so the way is gone name by name: every directory is opened beneath the one
// before with O_NOFOLLOW, and held. A symbolic link is never followed by the kernel: its text is
// read and gone by the same steps, ".." in it is the directory held before, and at most
// kMaxLinkHops are taken. Whatever is swapped in between, an opened directory is one of the
// workspace's own file system, and nothing is ever opened by more than one name.
#pragma once

#include <optional>
#include <string>

#include "libs/api/workspace_path.h"
#include "libs/base/fd.h"

namespace sandgate::runner {

inline constexpr int kMaxLinkHops = 16;

struct WalkOptions {
  bool make_directories = false;   // missing ones, with mode 0755
  bool follow_last = false;        // a symbolic link as the last name is gone as well
  bool last_is_directory = false;  // the last name is opened too: Place::name is ""
};

struct Place {
  base::Fd directory;  // O_PATH
  std::string name;    // in it, may not exist; "" where the path means the directory itself
};

// `workspace` is an open directory, kept by the caller; `path` as it was given. Messages name the
// path and what is wrong with it.
std::optional<api::FileError> FindPlace(int workspace, const std::string& path,
                                        const WalkOptions& options, Place* place);

// The error that an errno means for `path`.
api::FileError ErrorOf(int error, const std::string& path);

}  // namespace sandgate::runner
