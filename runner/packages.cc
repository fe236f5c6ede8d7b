#include "runner/packages.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "libs/base/fd.h"
#include "runner/root_files.h"

namespace sandgate::runner {
namespace {

constexpr mode_t kMode = 0755;

// Its name in a workspace.
const char* Name() {
  return kPackagesPath + sizeof kWorkspacePath;
}

bool MakeReadOnly(const std::string& target) {
  struct statvfs info = {};
  if (statvfs(target.c_str(), &info) != 0) return false;
  // What the mount beneath forbids may not be allowed again.
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  if ((info.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
  if ((info.f_flag & ST_NOATIME) != 0) flags |= MS_NOATIME;
  if ((info.f_flag & ST_NODIRATIME) != 0) flags |= MS_NODIRATIME;
  if ((info.f_flag & ST_RELATIME) != 0) flags |= MS_RELATIME;
  return mount(nullptr, target.c_str(), nullptr, flags, nullptr) == 0;
}

}  // namespace

base::Status MakePackagesPlace(const std::string& workspace) {
  const base::Fd directory(open(workspace.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.valid() && mkdirat(directory.get(), Name(), kMode) == 0) return base::Status::Ok();
  if (directory.valid() && errno == EEXIST) {
    return base::Status(base::Code::kAlreadyExists,
                        std::string(kPackagesPath) +
                            " is in the way, since packages are installed there: delete or rename "
                            "it");
  }
  return base::Status(base::Code::kInternal,
                      std::string("cannot make ") + kPackagesPath + ": " + std::strerror(errno));
}

const char* BindWorkspace(const std::string& workspace, PackagesView view,
                          const std::string& staging) {
  const std::string target = staging + kWorkspacePath;
  const std::string packages = staging + kPackagesPath;
  if (!MakeDirectory(target)) return "make the workspace's directory";
  if (view == PackagesView::kAlone) {
    if (!MakeDirectory(packages)) return "make the packages' directory";
  } else if (!Bind(workspace, target)) {
    return "bind the workspace";
  }
  if (view == PackagesView::kAbsent) return nullptr;
  if (!Bind(workspace + "/" + Name(), packages)) return "bind the packages";
  if (view == PackagesView::kReadOnly && !MakeReadOnly(packages)) {
    return "make the packages read-only";
  }
  return nullptr;
}

}  // namespace sandgate::runner
