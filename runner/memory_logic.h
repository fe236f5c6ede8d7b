// How much memory a run holds, and whether that is too much. Pure.
//
// Under gVisor no process shows all of it: tmpfs pages, and the sentry's own heap (an empty file
// costs it 2 KB, a full pipe 64 KiB), belong to nobody. The numbers of the whole sandbox do tell:
// one run at a time is all that happens in it, so what grew since the run began is the run's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandgate::runner {

struct MemorySample {
  int64_t pages_bytes = 0;      // anonymous and tmpfs pages that are committed, sandbox-wide
  int64_t sentry_bytes = 0;     // heap of gVisor's kernel; 0 where there is none
  int64_t workspace_bytes = 0;  // part of pages_bytes that is the workspace: counted as disk
  int64_t workspace_files = 0;
};

// Garbage the sentry has not collected yet is not the run's doing. Its heap doubles between two
// collections; this much of growth is free: an eighth of the limit, within these bounds.
inline constexpr int64_t kMinSentrySlackBytes = 8 * 1024 * 1024;
inline constexpr int64_t kMaxSentrySlackBytes = 32 * 1024 * 1024;
// Objects of the kernel (pipes, sockets, files) may take this much of a run's memory. Its heap
// gives memory back slowly, so what one run made it hold is missing for the next.
inline constexpr int64_t kMaxSentryBytes = 256 * 1024 * 1024;
// Files are heap of the sentry: 1.4 KB each, which outlive the run and no disk limit counts.
inline constexpr int64_t kMaxWorkspaceFiles = 65'536;

class MemoryWatch {
 public:
  // `start` is what there is before the run begins.
  MemoryWatch(int64_t limit_bytes, const MemorySample& start);

  // Takes the next sample; the reason to end the run if it is over a limit. `runner_bytes` is what
  // the runner itself holds for this run (its output), which is not the run's.
  std::optional<std::string> Update(const MemorySample& sample, int64_t runner_bytes);

  // Above half of the limit, or growing fast: look again soon.
  bool hot() const { return hot_; }
  int64_t used_bytes() const { return used_bytes_; }

 private:
  int64_t limit_bytes_;
  int64_t sentry_slack_;
  // Each the lowest seen: what an earlier run left may still be on its way back when this one
  // begins, and must not become room for this one.
  int64_t base_pages_, base_sentry_;
  int64_t files_limit_;
  int64_t used_bytes_ = 0;
  bool hot_ = true;
};

// The value of `key` in a file like /proc/meminfo, in bytes ("key: 123 kB"). nullopt: not there.
std::optional<int64_t> MeminfoBytes(std::string_view text, std::string_view key);

}  // namespace sandgate::runner
