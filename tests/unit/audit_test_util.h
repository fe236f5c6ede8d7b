// Chains in memory, for tests of what reads them.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "libs/audit/record.h"
#include "libs/audit/tail.h"
#include "libs/audit/verify.h"

namespace sandgate::audit {

inline const base::Time kNoon = *base::ParseTime("2030-01-01T12:00:00Z");
inline const std::string kChain(32, 'c');

// `count` records without their newlines: a start, then others.
inline std::vector<std::string> Chain(int count, const std::string& chain = kChain) {
  std::vector<std::string> lines;
  Position at{chain};
  for (int i = 0; i < count; ++i) {
    const Record record = i == 0 ? GoOn({}, {{"pod", "operator-0"}})
                                 : Record{"execution.request", {{"execution", i}}};
    lines.push_back(FormatLine(at, record, kNoon + std::chrono::seconds(i)));
    at = ParseLine(lines.back())->position;
  }
  return lines;
}

inline std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

inline Verdict Check(const std::string& text, const VerifyOptions& options = {}) {
  std::istringstream in(text);
  return Verify(in, options);
}

// "edited 3", or "none".
inline std::string Found(const std::string& text, const VerifyOptions& options = {}) {
  const Verdict verdict = Check(text, options);
  if (verdict.fault == Fault::kNone) return "none";
  return std::string(FaultName(verdict.fault)) + " " + std::to_string(verdict.line);
}

}  // namespace sandgate::audit
