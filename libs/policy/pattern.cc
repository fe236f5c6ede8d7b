// Compiles the patterns of a policy file, and says what to write where RE2 cannot.
#include "libs/policy/rule.h"

namespace sandgate::policy {
namespace {

// For what other engines know and RE2 does not.
struct Advice {
  const char* pattern;
  const char* instead;
};
constexpr Advice kAdvice[] = {
    {R"(\(\?<?[=!])",
     "Look-ahead and look-behind are not supported, since they can take forever on hostile input; "
     "write two conditions instead, one with matches and one with notMatches"},
    {R"((?:^|[^\\])(?:\\\\)*\\[1-9gk])",
     "Back-references are not supported; list the alternatives as a|b"},
    {R"(\(\?>|[*+?}]\+)",
     "Atomic groups and possessive repetition are not needed, since RE2 never goes back; leave out "
     "the ?> or the second +"},
    {R"(\(\?\(|\(\?[R0&])", "Conditions and recursion are not supported; write several rules"},
    {R"(\(\?<[A-Za-z_])", "A group needs no name here; write (?:...)"},
    {R"(\(\?#)", "Comments belong into the YAML; leave out (?#...)"},
    {R"(\(\?[a-zA-Z]+)", "The flags are i, m, s and U: (?i) ignores case"},
    {R"(\\[uU])", R"(Write the character itself, or its number as \x{2014})"},
    {R"(\\[ZG])", R"(Write \z for the end of the text)"},
    {R"(\\[hHRXK])", R"(Write the characters as a class, for example [ \t])"},
};

std::string InsteadOf(const std::string& pattern, const re2::RE2& regex) {
  const auto code = regex.error_code();
  if (code == re2::RE2::ErrorPatternTooLarge || code == re2::RE2::ErrorRepeatSize) {
    return "Use smaller repetition counts (at most 1000), or several rules";
  }
  if (code == re2::RE2::ErrorBadUTF8) return "Save the file as UTF-8";
  for (const Advice& advice : kAdvice) {
    if (re2::RE2::PartialMatch(pattern, advice.pattern)) return advice.instead;
  }
  return R"(To find the text as it stands, put a \ before each of \ . * + ? ( ) [ ] { } | ^ $)";
}

}  // namespace

std::shared_ptr<const re2::RE2> CompilePattern(const std::string& pattern, std::string* problem) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxPatternMemory);
  auto regex = std::make_shared<const re2::RE2>(pattern, options);
  if (regex->ok()) return regex;
  *problem =
      "RE2 cannot use this pattern: " + regex->error() + ". " + InsteadOf(pattern, *regex) + ".";
  return nullptr;
}

}  // namespace sandgate::policy
