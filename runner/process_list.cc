#include "runner/process_list.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <set>
#include <string>

#include "libs/base/fd.h"

namespace sandgate::runner {
namespace {

// Fields of proc(5) stat, counted from the one after the name.
constexpr int kStateField = 0;
constexpr int kParentField = 1;
constexpr int kResidentField = 21;

int64_t Number(std::string_view text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::optional<ProcessInfo> ParseStat(std::string_view text, int64_t page_bytes) {
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  ProcessInfo info;
  info.pid = static_cast<pid_t>(Number(text));
  text.remove_prefix(name_end + 1);
  int field = 0;
  for (; !text.empty() && field <= kResidentField; ++field) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view value = text.substr(0, text.find(' '));
    if (field == kStateField && !value.empty()) info.state = value[0];
    if (field == kParentField) info.parent = static_cast<pid_t>(Number(value));
    if (field == kResidentField) info.resident_bytes = Number(value) * page_bytes;
    text.remove_prefix(value.size());
  }
  if (info.pid <= 0 || field <= kResidentField) return std::nullopt;
  return info;
}

std::vector<ProcessInfo> ListProcesses() {
  std::vector<ProcessInfo> processes;
  DIR* directory = opendir("/proc");
  if (directory == nullptr) return processes;
  const int64_t page_bytes = sysconf(_SC_PAGESIZE);
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    const std::string path = std::string("/proc/") + entry->d_name + "/stat";
    const base::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[1024];
    const ssize_t size = file.valid() ? read(file.get(), text, sizeof text) : -1;
    if (size <= 0) continue;
    if (auto info = ParseStat({text, static_cast<size_t>(size)}, page_bytes)) {
      processes.push_back(*info);
    }
  }
  closedir(directory);
  return processes;
}

std::vector<ProcessInfo> Tree(const std::vector<ProcessInfo>& processes, pid_t root) {
  std::set<pid_t> members = {root};
  // Children may stand before their parents; every round finds one more generation.
  for (size_t before = 0; before != members.size();) {
    before = members.size();
    for (const ProcessInfo& process : processes) {
      if (members.contains(process.parent)) members.insert(process.pid);
    }
  }
  std::vector<ProcessInfo> tree;
  for (const ProcessInfo& process : processes) {
    if (members.contains(process.pid)) tree.push_back(process);
  }
  return tree;
}

}  // namespace sandgate::runner
