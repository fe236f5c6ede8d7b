#include "libs/egress/domain.h"

#include <algorithm>

namespace sandgate::egress {
namespace {

constexpr std::string_view kWildcard = "*.";

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view LastLabel(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

// Before all other rules, so that an address in a strange notation is called what it is.
bool LooksLikeAddress(std::string_view name) {
  if (name.find_first_of(":[]") != std::string_view::npos) return true;
  const std::string_view last = LastLabel(name);
  return !last.empty() && IsDigit(last[0]);
}

NameProblem JudgeLabel(std::string_view label) {
  if (label.empty()) return NameProblem::kLabel;
  if (label.size() > kMaxLabelBytes) return NameProblem::kTooLong;
  if (label.front() == '-' || label.back() == '-') return NameProblem::kLabel;
  return NameProblem::kNone;
}

NameProblem JudgeLabels(std::string_view name) {
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('.', start), name.size());
    const NameProblem problem = JudgeLabel(name.substr(start, end - start));
    if (problem != NameProblem::kNone) return problem;
    start = end + 1;
  }
  return NameProblem::kNone;
}

}  // namespace

const char* NameProblemText(NameProblem problem) {
  switch (problem) {
    case NameProblem::kNone:
      return "";
    case NameProblem::kEmpty:
      return "is empty";
    case NameProblem::kTooLong:
      return "is longer than 253 characters or has a label longer than 63";
    case NameProblem::kAddressLiteral:
      return "is an address; only names are allowed";
    case NameProblem::kCharacter:
      return "has a character that no domain name has";
    case NameProblem::kLabel:
      return "has an empty label or one that begins or ends with a hyphen";
    case NameProblem::kSingleLabel:
      return "has a single label; a full domain name is needed";
  }
  return "";
}

NameProblem NormalizeName(std::string_view text, std::string* name) {
  if (text.empty()) return NameProblem::kEmpty;
  if (text.size() > kMaxNameBytes + 1) return NameProblem::kTooLong;
  if (text.back() == '.') text.remove_suffix(1);
  if (text.empty()) return NameProblem::kLabel;
  if (LooksLikeAddress(text)) return NameProblem::kAddressLiteral;
  const auto allowed = [](char c) { return IsLetter(c) || IsDigit(c) || c == '-' || c == '.'; };
  if (!std::all_of(text.begin(), text.end(), allowed)) return NameProblem::kCharacter;
  if (text.size() > kMaxNameBytes) return NameProblem::kTooLong;
  const NameProblem labels = JudgeLabels(text);
  if (labels != NameProblem::kNone) return labels;
  if (text.find('.') == std::string_view::npos) return NameProblem::kSingleLabel;
  name->assign(text);
  std::transform(name->begin(), name->end(), name->begin(), Lower);
  return NameProblem::kNone;
}

bool IsDomainPattern(std::string_view pattern) {
  const std::string_view name =
      pattern.starts_with(kWildcard) ? pattern.substr(kWildcard.size()) : pattern;
  std::string normal;
  return pattern.size() <= kMaxNameBytes && NormalizeName(name, &normal) == NameProblem::kNone &&
         normal == name;
}

bool MatchesDomain(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with(kWildcard)) return pattern == name;
  const size_t dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 &&
         name.substr(dot + 1) == pattern.substr(kWildcard.size());
}

bool MatchesAnyDomain(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [name](const std::string& pattern) { return MatchesDomain(pattern, name); });
}

}  // namespace sandgate::egress
