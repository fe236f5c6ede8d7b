// The processes that the runner can see.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sandgate::runner {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  int64_t resident_bytes = 0;

  bool operator==(const ProcessInfo&) const = default;
};

// Reads one /proc/[pid]/stat. The name in it is the process's own choice and may hold anything.
std::optional<ProcessInfo> ParseStat(std::string_view text, int64_t page_bytes);

// All in /proc; one that ends meanwhile may be absent.
std::vector<ProcessInfo> ListProcesses();

// `root` and all its descendants.
std::vector<ProcessInfo> Tree(const std::vector<ProcessInfo>& processes, pid_t root);

}  // namespace sandgate::runner
