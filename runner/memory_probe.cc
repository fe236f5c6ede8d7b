#include "runner/memory_probe.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <utility>

#include "libs/base/fd.h"
#include "runner/process_list.h"

namespace sandgate::runner {
namespace {

// gVisor's kernel heap is read every so often only, since reading it stops that kernel for a
// moment; but every time while it grows.
constexpr int kSamplesPerSentryRead = 4;
constexpr int64_t kSentryGrowthBytes = 1024 * 1024;

std::string ReadStart(const base::Fd& file) {
  char text[4096];
  const ssize_t size = pread(file.get(), text, sizeof text, 0);
  return std::string(text, size > 0 ? static_cast<size_t>(size) : 0);
}

class Workspace {
 public:
  explicit Workspace(const std::string& path)
      : directory_(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

  void AddTo(MemorySample* sample) const {
    struct statfs info = {};
    if (!directory_.valid() || fstatfs(directory_.get(), &info) != 0) return;
    if (info.f_files > info.f_ffree) {
      sample->workspace_files = static_cast<int64_t>(info.f_files - info.f_ffree);
    }
    // A tmpfs of gVisor's own is part of its memory; a host directory behind it is not.
    if (info.f_type == TMPFS_MAGIC) {
      sample->workspace_bytes =
          static_cast<int64_t>(info.f_blocks - info.f_bfree) * static_cast<int64_t>(info.f_bsize);
    }
  }

 private:
  base::Fd directory_;
};

class GvisorProbe : public MemoryProbe {
 public:
  GvisorProbe(base::Fd meminfo, base::Fd sentry, const std::string& workspace)
      : meminfo_(std::move(meminfo)), sentry_(std::move(sentry)), workspace_(workspace) {}

  MemorySample Sample(pid_t /*root*/) override {
    MemorySample sample;
    // AnonPages counts tmpfs as well.
    sample.pages_bytes = MeminfoBytes(ReadStart(meminfo_), "AnonPages").value_or(0);
    if (samples_++ % kSamplesPerSentryRead == 0 || sentry_grows_) {
      const int64_t bytes = MeminfoBytes(ReadStart(sentry_), "HeapAlloc").value_or(0);
      sentry_grows_ = bytes - sentry_bytes_ > kSentryGrowthBytes;
      sentry_bytes_ = bytes;
    }
    sample.sentry_bytes = sentry_bytes_;
    workspace_.AddTo(&sample);
    return sample;
  }

 private:
  base::Fd meminfo_, sentry_;
  Workspace workspace_;
  int64_t samples_ = 0;
  int64_t sentry_bytes_ = 0;
  bool sentry_grows_ = false;
};

class LinuxProbe : public MemoryProbe {
 public:
  MemorySample Sample(pid_t root) override {
    MemorySample sample;
    if (root <= 0) return sample;
    for (const ProcessInfo& process : Tree(ListProcesses(), root)) {
      sample.pages_bytes += process.resident_bytes;
    }
    return sample;
  }
};

}  // namespace

std::unique_ptr<MemoryProbe> MemoryProbe::Create(const std::string& workspace) {
  base::Fd meminfo(open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
  base::Fd sentry(open("/proc/sentry-meminfo", O_RDONLY | O_CLOEXEC));
  if (!sentry.valid()) return std::make_unique<LinuxProbe>();
  return std::make_unique<GvisorProbe>(std::move(meminfo), std::move(sentry), workspace);
}

}  // namespace sandgate::runner
