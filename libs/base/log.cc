#include "libs/base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "libs/base/clock.h"

namespace sandgate::base {
namespace {

constexpr size_t kMaxValueBytes = 4096;

std::atomic<LogLevel> minimum_level{LogLevel::kInfo};
std::mutex sink_mutex;
std::function<void(const std::string&)> sink;  // guarded by sink_mutex

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "unknown";
}

// ASCII goes through, everything else as \u00XX of its byte: always valid JSON, whatever came in.
void AppendString(std::string* line, std::string_view text) {
  line->push_back('"');
  for (const char c : text.substr(0, kMaxValueBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '"' || byte == '\\') {
      line->push_back('\\');
      line->push_back(c);
    } else if (byte >= 0x20 && byte < 0x7f) {
      line->push_back(c);
    } else {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", byte);
      line->append(buffer);
    }
  }
  line->push_back('"');
}

void AppendMember(std::string* line, std::string_view key, std::string_view value) {
  if (line->size() > 1) line->push_back(',');
  AppendString(line, key);
  line->push_back(':');
  AppendString(line, value);
}

void WriteAll(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written <= 0) return;  // nobody reads: a log line is not worth more than that
    line.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  std::string line = "{";
  AppendMember(&line, "time", FormatMicroTime(RealClock().Now()));
  AppendMember(&line, "level", LevelName(level));
  AppendMember(&line, "msg", message);
  for (const LogField& field : fields) AppendMember(&line, field.key, field.value);
  line += "}\n";
  const std::lock_guard<std::mutex> lock(sink_mutex);
  if (sink) {
    sink(line);
  } else {
    WriteAll(line);
  }
}

void SetLogLevel(LogLevel level) {
  minimum_level.store(level, std::memory_order_relaxed);
}

void SetLogLevelFromEnvironment() {
  const char* name = std::getenv("SANDGATE_LOG_LEVEL");
  const std::string level = name == nullptr ? "" : name;
  if (level == "debug") SetLogLevel(LogLevel::kDebug);
  if (level == "info") SetLogLevel(LogLevel::kInfo);
  if (level == "warning") SetLogLevel(LogLevel::kWarning);
  if (level == "error") SetLogLevel(LogLevel::kError);
}

void SetLogSink(std::function<void(const std::string& line)> new_sink) {
  const std::lock_guard<std::mutex> lock(sink_mutex);
  sink = std::move(new_sink);
}

}  // namespace sandgate::base
