// The seed's "Dangerous Code Pattern Detection". A signal for the approver, never the isolation:
// code can always be written so that no pattern sees it (strings put together at run time). What
// holds such code is the sandbox.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/api/sandbox.h"

namespace sandgate::policy {

struct CodeFinding {
  std::string name;  // "os.system and its kin start a shell"
  size_t position;   // in the code, in bytes
};

// Every pattern found, each once, at its first place. Linear in the code's size: one pass over all
// patterns together, then one for each that was found. Thread-safe.
std::vector<CodeFinding> FindDangerousCode(api::Language language, const std::string& code);

// Names and patterns: part of the policy's revision, so that a new version of them is seen.
std::string CodePatternsCanonical();

}  // namespace sandgate::policy
