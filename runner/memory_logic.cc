#include "runner/memory_logic.h"

#include <algorithm>
#include <charconv>

namespace sandgate::runner {
namespace {

constexpr int64_t kMebibyte = 1024 * 1024;
// Growth between two samples that calls for the short interval.
constexpr int64_t kFastGrowthBytes = 4 * kMebibyte;

int64_t OwnPages(const MemorySample& sample) {
  return sample.pages_bytes - sample.workspace_bytes;
}

}  // namespace

MemoryWatch::MemoryWatch(int64_t limit_bytes, const MemorySample& start)
    : limit_bytes_(limit_bytes),
      sentry_slack_(std::clamp(limit_bytes / 8, kMinSentrySlackBytes, kMaxSentrySlackBytes)),
      base_pages_(OwnPages(start)),
      base_sentry_(start.sentry_bytes),
      files_limit_(std::max(kMaxWorkspaceFiles, start.workspace_files)) {}

std::optional<std::string> MemoryWatch::Update(const MemorySample& sample, int64_t runner_bytes) {
  const int64_t pages = OwnPages(sample) - runner_bytes;
  base_pages_ = std::min(base_pages_, pages);
  base_sentry_ = std::min(base_sentry_, sample.sentry_bytes);
  const int64_t sentry = std::max<int64_t>(0, sample.sentry_bytes - base_sentry_ - sentry_slack_);
  const int64_t used = pages - base_pages_ + sentry;
  hot_ = used > limit_bytes_ / 2 || used - used_bytes_ > kFastGrowthBytes;
  used_bytes_ = used;
  if (used > limit_bytes_) {
    return "the run used more memory than its limit of " +
           std::to_string(limit_bytes_ / kMebibyte) + " MiB";
  }
  if (sentry > kMaxSentryBytes) {
    return "the run used more than " + std::to_string(kMaxSentryBytes / kMebibyte) +
           " MiB of kernel memory (pipes, sockets, files)";
  }
  if (sample.workspace_files > files_limit_) {
    return "the workspace holds more than " + std::to_string(files_limit_) +
           " files, which is more memory than a sandbox has for them";
  }
  return std::nullopt;
}

std::optional<int64_t> MeminfoBytes(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') continue;
    line.remove_prefix(key.size() + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    int64_t kibibytes = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), kibibytes);
    if (error != std::errc()) return std::nullopt;
    return kibibytes * 1024;
  }
  return std::nullopt;
}

}  // namespace sandgate::runner
