// One rule: when it matches, and what it says then.
#pragma once

#include <re2/re2.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/policy/policy.h"
#include "libs/policy/tools.h"

namespace sandgate::policy {

inline constexpr size_t kMaxRules = 256;
inline constexpr size_t kMaxPatternBytes = 1024;
inline constexpr size_t kMaxConditions = 32;
inline constexpr size_t kMaxListed = 256;  // values of `in` and `notIn`
// Memory of one compiled pattern; RE2 falls back to slower, still linear matching beyond it.
inline constexpr int64_t kMaxPatternMemory = 1 << 20;

enum class Operator { kMatches, kNotMatches, kEquals, kIn, kNotIn };
const char* OperatorName(Operator op);  // "notMatches", as in YAML

struct Condition {
  std::string param;
  Operator op = Operator::kMatches;
  std::vector<std::string> values;        // one for matches, notMatches, equals
  std::shared_ptr<const re2::RE2> regex;  // matches and notMatches: unanchored search
};

struct Rule {
  std::vector<std::string> tools;
  api::RiskLevel risk = api::RiskLevel::kCritical;
  std::vector<Condition> conditions;  // all must hold
  std::optional<std::chrono::seconds> timeout;
  std::string description;
};

// What one matching rule or code pattern contributes to an Assessment.
struct Match {
  api::RiskLevel risk = api::RiskLevel::kCritical;
  std::chrono::seconds timeout{30};
  std::string reason;
};

// The seed's table: CRITICAL 30 s, HIGH 60 s, MEDIUM 120 s, LOW 0 s (approved by itself).
std::chrono::seconds DefaultTimeout(api::RiskLevel risk);

// Compiles with this folder's limits. On failure returns nullptr, and *problem says what RE2
// cannot do and what to write instead.
std::shared_ptr<const re2::RE2> CompilePattern(const std::string& pattern, std::string* problem);

// nullopt when the rule does not match. A condition about a list (allowed_domains) holds when any
// entry meets it, so that a rule cannot be dodged by adding a harmless entry; in a LOW rule, which
// relaxes, every entry has to meet it. An absent parameter meets only notMatches and notIn, and
// none in a LOW rule.
std::optional<Match> Apply(const Rule& rule, const Call& call);

// `text` around `position`: one line with its number, cut, with nothing in it that could play
// tricks on a terminal. For reasons that a human reads.
std::string LineAt(const std::string& text, size_t position);
// The line of the first position, and the numbers of the others' lines.
std::string LinesAt(const std::string& text, const std::vector<size_t>& positions);

}  // namespace sandgate::policy
