// The seed's "Risk Levels" as rules; security.hitl.default_rules: false leaves them out.
#pragma once

#include <vector>

#include "libs/policy/rule.h"

namespace sandgate::policy {

// Everything but dangerous code, which code_patterns.h finds.
const std::vector<Rule>& BuiltinRules();

}  // namespace sandgate::policy
