#include "libs/policy/code_matcher.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace sandgate::policy {
namespace {

// Findings of one name that follow each other are one.
void Merge(const char* name, const std::vector<size_t>& places,
           std::vector<CodeFinding>* findings) {
  if (places.empty()) return;
  if (findings->empty() || findings->back().name != name) findings->push_back({name, {}});
  std::vector<size_t>& all = findings->back().positions;
  all.insert(all.end(), places.begin(), places.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (all.size() > CodeFinding::kMaxPlaces) all.resize(CodeFinding::kMaxPlaces);
}

using Places = std::vector<size_t>;

constexpr size_t kMaxPlaces = CodeFinding::kMaxPlaces;
constexpr int64_t kMaxPatternMemory = 2 << 20;

// The same as Allowed() below, as the beginning of a pattern.
const char* RegexOf(Before before) {
  switch (before) {
    case Before::kAnything:
      return "";
    case Before::kNoWord:
      return R"(\b)";
    case Before::kNoMember:
      return R"((?:^|[^.$\w]))";
    case Before::kPassed:
      return R"((?:[=(,\[:]|\breturn)\s*)";
    case Before::kShellWord:
      return R"((?:^|[\s;&|({`!\\'"]))";
  }
  return "";
}

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool IsSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

bool IsPassed(std::string_view code, size_t at) {
  while (at > 0 && IsSpace(code[at - 1])) --at;
  if (at == 0) return false;
  if (std::string_view("=(,[:").find(code[at - 1]) != std::string_view::npos) return true;
  constexpr std::string_view kReturn = "return";
  return code.substr(0, at).ends_with(kReturn) &&
         (at == kReturn.size() || !IsWordByte(code[at - kReturn.size() - 1]));
}

bool Allowed(Before before, std::string_view code, size_t at) {
  const auto last_among = [&](std::string_view set) {
    return set.find(code[at - 1]) != std::string_view::npos;
  };
  switch (before) {
    case Before::kAnything:
      return true;
    case Before::kNoWord:
      return at == 0 || !IsWordByte(code[at - 1]);
    case Before::kNoMember:
      return at == 0 || !(IsWordByte(code[at - 1]) || last_among(".$"));
    case Before::kPassed:
      return IsPassed(code, at);
    case Before::kShellWord:
      return at == 0 || IsSpace(code[at - 1]) || last_among(";&|({`!\\'\"");
  }
  return true;
}

std::unique_ptr<re2::RE2> Compile(const std::string& regex) {
  re2::RE2::Options options;
  options.set_max_mem(kMaxPatternMemory);
  options.set_log_errors(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  auto compiled = std::make_unique<re2::RE2>(regex, options);
  // The table is ours: a pattern that does not compile is a bug that every test would meet.
  if (!compiled->ok()) std::abort();
  return compiled;
}

// One pass over the code from `from` on.
void SearchOn(const re2::RE2& regex, const std::string& code, size_t from, Places* places) {
  while (places->size() < kMaxPlaces && from < code.size()) {
    re2::StringPiece found;
    if (!regex.Match(code, from, code.size(), re2::RE2::UNANCHORED, &found, 1)) return;
    const auto at = static_cast<size_t>(found.data() - code.data());
    places->push_back(at);
    from = std::max(at + found.size(), at + 1);
  }
}

// Only where the word stands, as often as is told.
void TryAt(const re2::RE2& regex, Before before, const std::string& code,
           const LiteralScan::Found& word, Places* places) {
  const size_t had = places->size();
  for (const uint32_t at : word.positions) {
    if (places->size() - had == kMaxPlaces) return;
    if (Allowed(before, code, at) &&
        regex.Match(code, at, code.size(), re2::RE2::ANCHOR_START, nullptr, 0)) {
      places->push_back(at);
    }
  }
}

// One byte earlier, so that a pattern sees what stands before it.
size_t Before1(size_t at) {
  return at == 0 ? 0 : at - 1;
}

}  // namespace

CodeMatcher::CodeMatcher(std::span<const CodePattern> patterns, unsigned language) {
  std::vector<std::string> words;
  const auto index_all = [&](const char* list) {
    std::vector<size_t> indexes;
    std::istringstream stream(list);
    for (std::string word; stream >> word;) {
      const auto known = std::find(words.begin(), words.end(), word);
      indexes.push_back(static_cast<size_t>(known - words.begin()));
      if (known == words.end()) words.push_back(word);
    }
    return indexes;
  };
  for (const CodePattern& pattern : patterns) {
    if ((pattern.languages & language) == 0) continue;
    const std::string body = std::string("(?:") + pattern.regex + ")";
    patterns_.push_back({&pattern, Compile(pattern.far_from == nullptr ? body : pattern.far_from),
                         Compile(RegexOf(pattern.before) + body), index_all(pattern.words),
                         index_all(pattern.needs)});
  }
  scan_ = std::make_unique<LiteralScan>(std::move(words));
}

std::vector<CodeFinding> CodeMatcher::Find(const std::string& code) const {
  const std::vector<LiteralScan::Found> found = scan_->Scan(code);
  const auto any = [&](const std::vector<size_t>& words) {
    return std::any_of(words.begin(), words.end(), [&](size_t word) { return found[word].any(); });
  };
  std::vector<CodeFinding> findings;
  for (const Compiled& compiled : patterns_) {
    const CodePattern& pattern = *compiled.pattern;
    if (!compiled.needs.empty() && !any(compiled.needs)) continue;
    if (!compiled.words.empty() && !any(compiled.words)) continue;
    Places places;
    // From where one pass over the rest is needed, if at all.
    size_t rest = compiled.words.empty() ? 0 : std::string::npos;
    for (const size_t word : compiled.words) {
      if (!found[word].any()) continue;
      TryAt(*compiled.here, pattern.before, code, found[word], &places);
      if (found[word].overflow != std::string::npos) {
        rest = std::min(rest, Before1(found[word].overflow));
      }
    }
    if (pattern.far_from != nullptr && !places.empty()) {
      rest = std::min(rest, Before1(*std::min_element(places.begin(), places.end())));
      places.clear();
    }
    if (rest != std::string::npos) SearchOn(*compiled.anywhere, code, rest, &places);
    Merge(pattern.name, places, &findings);
  }
  return findings;
}

std::vector<CodeFinding> CodeMatcher::FindByForce(const std::string& code) const {
  std::vector<CodeFinding> findings;
  for (const Compiled& compiled : patterns_) {
    Places places;
    SearchOn(*compiled.anywhere, code, 0, &places);
    Merge(compiled.pattern->name, places, &findings);
  }
  return findings;
}

}  // namespace sandgate::policy
