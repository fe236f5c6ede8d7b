// Logs: one JSON object a line on stderr, so that a cluster's collector needs no parser of ours.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace sandgate::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One member of a log line. Keys that are used everywhere: "execution" and "sandbox"
// ("namespace/name"), "approval", "runId", "error".
struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, int64_t v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, int v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, uint64_t v) : key(k), value(std::to_string(v)) {}
};

// Writes one line: {"time","level","msg",fields...}. Every value is a JSON string, cut at 4 KiB;
// control characters and bytes that are not UTF-8 arrive escaped, so no input can forge a line.
// Thread-safe; never throws. Callers keep secrets and code out of it.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}

// Lines below `level` are dropped; the default is kInfo.
void SetLogLevel(LogLevel level);
// As $SANDGATE_LOG_LEVEL says: debug, info, warning or error; anything else changes nothing.
void SetLogLevelFromEnvironment();

// For tests: lines go to `sink` instead of stderr; an empty function puts stderr back.
void SetLogSink(std::function<void(const std::string& line)> sink);

}  // namespace sandgate::base
