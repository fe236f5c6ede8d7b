#include "runner/run_root.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "runner/network_files.h"
#include "runner/packages.h"
#include "runner/root_files.h"

namespace sandgate::runner {
namespace {

// Every image has it, and the run gets another one anyway.
constexpr char kStaging[] = "/tmp";

// Of the image's root, what the run gets in a form of its own, or not at all. Every bind takes
// time, so the empty directories of every Debian are among the latter.
constexpr std::array<std::string_view, 14> kNotBound = {
    ".",        "..",        "proc", "sys",   "dev", "tmp",  "run",
    "sandgate", "workspace", "boot", "media", "mnt", "root", "lost+found"};

constexpr std::array<const char*, 6> kDevices = {"null",   "zero",    "full",
                                                 "random", "urandom", "tty"};

// An inode costs the sentry 2 KB of heap, which no tmpfs size counts.
constexpr int64_t kTmpInodes = 16'384;
constexpr int64_t kShmInodes = 1'024;
constexpr int64_t kRootInodes = 1'024;
constexpr int64_t kRootSlackBytes = 256 * 1024;

std::string Staged(std::string_view path) {
  return std::string(kStaging).append(path);
}

bool MountTmpfs(const std::string& target, int64_t bytes, int64_t inodes, const char* mode) {
  const std::string options =
      "size=" + std::to_string(bytes) + ",nr_inodes=" + std::to_string(inodes) + ",mode=" + mode;
  return mount("tmpfs", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) == 0;
}

bool CopyLink(const std::string& source, const std::string& target) {
  char text[4096];
  const ssize_t size = readlink(source.c_str(), text, sizeof text - 1);
  if (size < 0) return false;
  text[size] = '\0';
  return symlink(text, target.c_str()) == 0;
}

// One entry of the image's root. Files and special files there are nothing a run needs.
bool BindEntry(const std::string& name) {
  const std::string source = "/" + name;
  const std::string target = Staged(source);
  struct stat info = {};
  if (lstat(source.c_str(), &info) != 0) return false;
  if (S_ISLNK(info.st_mode)) return CopyLink(source, target);
  if (!S_ISDIR(info.st_mode)) return true;
  return MakeDirectory(target) && Bind(source, target);
}

bool BindImage() {
  DIR* root = opendir("/");
  if (root == nullptr) return false;
  bool ok = true;
  while (const dirent* entry = readdir(root)) {
    const std::string_view name = entry->d_name;
    if (std::find(kNotBound.begin(), kNotBound.end(), name) != kNotBound.end()) continue;
    ok = BindEntry(std::string(name));
    if (!ok) break;
  }
  const int error = errno;
  closedir(root);
  errno = error;
  return ok;
}

bool MakeDevices(const RunSpec& spec) {
  const std::string dev = Staged("/dev");
  if (!MakeDirectory(dev)) return false;
  for (const char* name : kDevices) {
    const std::string source = std::string("/dev/") + name;
    const std::string target = dev + "/" + name;
    if (access(source.c_str(), F_OK) != 0) continue;
    if (!MakeFile(target, "", 0644) || !Bind(source, target)) return false;
  }
  const bool links = symlink("/proc/self/fd", (dev + "/fd").c_str()) == 0 &&
                     symlink("/proc/self/fd/0", (dev + "/stdin").c_str()) == 0 &&
                     symlink("/proc/self/fd/1", (dev + "/stdout").c_str()) == 0 &&
                     symlink("/proc/self/fd/2", (dev + "/stderr").c_str()) == 0;
  return links && MakeDirectory(dev + "/shm") &&
         MountTmpfs(dev + "/shm", spec.shm_bytes, kShmInodes, "1777");
}

bool WriteCode(const RunSpec& spec) {
  return MakeDirectory(Staged("/run")) && MakeDirectory(Staged(kCodeDirectory)) &&
         (spec.code_path.empty() || MakeFile(Staged(spec.code_path), spec.code, 0444));
}

// Where Node looks last, whichever file of the workspace asks, and `import` as well as require().
bool LinkNodeModules(const RunSpec& spec) {
  const std::string link = Staged("/node_modules");
  struct stat info = {};
  return spec.packages != PackagesView::kReadOnly || lstat(link.c_str(), &info) == 0 ||
         symlink(kNodeModules, link.c_str()) == 0;
}

int64_t RootBytes(const RunSpec& spec) {
  const auto code = static_cast<int64_t>(spec.code.size());
  return code + kRootSlackBytes + (spec.network ? NetworkFilesBytes(*spec.network) : 0);
}

// Turns the staging directory into "/" and lets go of everything else.
bool EnterRoot() {
  if (chdir(kStaging) != 0 || syscall(SYS_pivot_root, ".", ".") != 0) return false;
  // The old root now lies over the new one; taking it away uncovers ours.
  if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) return false;
  return mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
               nullptr) == 0;
}

}  // namespace

const char* BuildRoot(const RunSpec& spec) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "own the mounts";
  if (!MountTmpfs(kStaging, RootBytes(spec), kRootInodes, "0755")) return "make the run's root";
  if (const char* step = BindWorkspace(spec.workspace, spec.packages, kStaging)) return step;
  // The way out of the workspace leads nowhere: there is not even an image there.
  if (spec.file) return EnterRoot() ? nullptr : "enter the run's root";
  if (!BindImage()) return "bind the image's directories";
  if (!MakeDevices(spec)) return "make the run's /dev";
  if (!WriteCode(spec)) return "write the code";
  if (!LinkNodeModules(spec)) return "link the packages";
  if (spec.network) {
    if (const char* step = WriteNetworkFiles(*spec.network, kStaging)) return step;
  }
  if (!MakeDirectory(Staged("/sys"))) return "make the run's /sys";
  if (!MakeDirectory(Staged("/tmp")) ||
      !MountTmpfs(Staged("/tmp"), spec.tmp_bytes, kTmpInodes, "1777")) {
    return "mount the run's /tmp";
  }
  if (!MakeDirectory(Staged("/proc")) || mount("proc", Staged("/proc").c_str(), "proc",
                                               MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return "mount the run's /proc";
  }
  if (!EnterRoot()) return "enter the run's root";
  return nullptr;
}

}  // namespace sandgate::runner
