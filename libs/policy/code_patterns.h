// The seed's "Dangerous Code Pattern Detection". A signal for the approver and never the isolation:
// code can always be written so that no pattern sees it (strings put together at run time). What
// holds such code is the sandbox.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/api/sandbox.h"

namespace sandgate::policy {

struct CodeFinding {
  // As many places of one pattern as are told.
  static constexpr size_t kMaxPlaces = 8;

  std::string name;               // "starts programs (os.system and its kin)"
  std::vector<size_t> positions;  // in the code, in bytes; ascending, at least one
};

// Every pattern found, with its first places. Linear in the code's size: one pass for the words
// that patterns begin with, then each pattern where its words stand. Bytes that are no UTF-8 are
// bytes like others. Thread-safe.
std::vector<CodeFinding> FindDangerousCode(api::Language language, const std::string& code);

// The same names by brute force, for tests: no word is looked for first.
std::vector<std::string> NamesByForce(api::Language language, const std::string& code);

// Names and patterns: part of the policy's revision, so that a new version of them is seen.
std::string CodePatternsCanonical();

}  // namespace sandgate::policy
