#include "libs/policy/code_patterns.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <cstdlib>
#include <memory>

#include "libs/base/log.h"

namespace sandgate::policy {
namespace {

constexpr unsigned kPython = 1;
constexpr unsigned kJavaScript = 2;
constexpr unsigned kShell = 4;
// Names that mean the same wherever they stand: languages call each other.
constexpr unsigned kAny = kPython | kJavaScript | kShell;

struct CodePattern {
  unsigned languages;
  const char* name;
  const char* regex;
};

// An argument of rm within one command, continuation lines included. The quotes are for
// ["rm", "-rf", "/"], the brace and IFS for rm${IFS}-rf.
#define RM R"(\brm\b(?:[^\n;|&]|\\\n)*)"
#define MORE R"((?:[^\n;|&]|\\\n)*)"
#define ARG R"((?:[\s"'}]|\$IFS))"
#define RECURSIVE ARG R"((?:-[a-zA-Z]*[rR][a-zA-Z]*|--r[a-z]*))"
#define FORCE ARG R"((?:-[a-zA-Z]*f[a-zA-Z]*|--f[a-z]*))"
// What a download may be piped into, by any path and through sudo, env or xargs.
#define INTERPRETER \
  R"((?:(?:/[\w./-]*/)?(?:sudo|env|xargs|nohup|exec|command)\s+(?:-\S+\s+)*)*(?:/[\w./-]*/)?(?:(?:ba|z|da|k|c|tc|fi|a)?sh|python[0-9.]*|node|perl|ruby|php)\b)"
// os.<these> start programs.
#define OS_STARTS R"((?:system|popen[234]?|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?))"
// White space of Python, continuation lines included.
#define GAP R"([\s\\]*)"

constexpr CodePattern kPatterns[] = {
    {kAny, "deletes recursively without asking (rm -rf)",
     RM ARG R"(-[a-zA-Z]*(?:[rR][a-zA-Z]*f|f[a-zA-Z]*[rR]))"},
    {kAny, "deletes recursively without asking (rm -r -f)", RM RECURSIVE MORE FORCE},
    {kAny, "deletes recursively without asking (rm -f -r)", RM FORCE MORE RECURSIVE},
    {kAny, "pipes a download into an interpreter (curl | sh)",
     R"(\b(?:curl|wget)\b(?:[^\n]|\\\n)*\|&?\s*)" INTERPRETER},
    {kAny, "runs a download (sh -c \"$(curl ...)\")",
     R"((?:\b(?:(?:ba|z|da|k)?sh|eval|source|exec)\b|(?:^|[\s;&|])\.\s)[^\n]*(?:<\(|\$\(|`)\s*(?:curl|wget)\b)"},

    {kAny, "starts programs (subprocess)", R"(subprocess)"},
    {kAny, "starts programs (os.system and its kin)", R"(\bos)" GAP R"(\.)" GAP OS_STARTS R"(\b)"},
    {kAny, "imports what starts programs from os",
     R"(\bfrom[\s\\]+os[\s\\]+import\b(?:[^\n;(]|\\\n)*(?:\([^)]*)?\b)" OS_STARTS R"(\b)"},
    {kAny, "imports everything from os",
     R"(\bfrom[\s\\]+os[\s\\]+import)" GAP R"(\(?)" GAP R"(\*)"},
    {kPython, "hides os behind another name",
     R"(\bimport[\s\\]+(?:[\w., ]+,\s*)?os[\s\\]+as\b|\bgetattr\s*\(\s*os\b|\b(?:os|posix|sys\s*\.\s*modules)\s*\.\s*__dict__)"},
    {kPython, "starts programs (pty, posix)",
     R"(\bpty\s*\.\s*spawn\b|\b(?:import|from)[\s\\]+posix\b|\bposix\s*\.\s*)" OS_STARTS R"(\b)"},
    {kAny, "imports by name (__import__)", R"(__import__)"},
    {kPython, "imports by name (importlib)", R"(\bimport_module\s*\()"},
    {kPython | kShell, "runs text as code (eval)", R"((?:^|[^.\w])eval)" GAP R"(\()"},
    {kPython | kShell, "runs text as code (exec)", R"((?:^|[^.\w])exec)" GAP R"(\()"},
    {kPython, "passes eval or exec on",
     R"((?:[=(,\[:]|\breturn)\s*(?:eval|exec)\s*(?:[\n;#,)\]}]|$))"},
    {kPython, "reaches eval and exec through builtins",
     R"(__builtins__|\b(?:import|from)[\s\\]+(?:builtins|__builtin__)\b)"},
    {kPython, "writes names in letters that only look like ASCII",
     R"([\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{1D400}-\x{1D7FF}])"},

    {kAny, "starts programs (child_process)", R"(child_process)"},
    {kJavaScript, "starts programs (execSync and its kin)",
     R"(\b(?:execSync|execFile|execFileSync|spawnSync)\s*\()"},
    {kJavaScript, "runs text as code (eval)",
     R"((?:^|[^.\w$])eval\s*(?:\?\.\s*)?\(|\b(?:globalThis|global|window|self)\s*(?:\?\.|\.)\s*eval\b|,\s*eval\s*\))"},
    {kJavaScript, "passes eval on", R"([=(,\[:]\s*eval\s*(?:[\n;,)\]}]|$))"},
    {kJavaScript, "runs text as code (Function, vm)",
     R"(\bnew\s+Function\s*\(|\bvm\s*\.\s*(?:run\w+|Script|compileFunction)\b|['"](?:node:)?vm['"])"},
    {kJavaScript, "reaches into the runtime (process.binding)",
     R"(\bprocess\s*\.\s*(?:binding|_linkedBinding|dlopen)\b)"},

    {kShell, "runs text as code (eval)", R"((?:^|[\s;&|({`!])(?:builtin\s+|command\s+)?eval\s)"},
};

constexpr size_t kPatternCount = sizeof(kPatterns) / sizeof(kPatterns[0]);

unsigned MaskOf(api::Language language) {
  switch (language) {
    case api::Language::kPython:
      return kPython;
    case api::Language::kJavaScript:
      return kJavaScript;
    case api::Language::kShell:
      return kShell;
  }
  return kAny;
}

// One language's patterns, compiled both ways: together to see which are there, alone to see where.
class Matcher {
 public:
  explicit Matcher(unsigned mask) : set_(Options(8 << 20), re2::RE2::UNANCHORED) {
    for (const CodePattern& pattern : kPatterns) {
      if ((pattern.languages & mask) == 0) continue;
      auto regex = std::make_unique<re2::RE2>(pattern.regex, Options(1 << 20));
      const int index = set_.Add(pattern.regex, nullptr);
      // The table is ours: a pattern that does not compile is a bug that every test would meet.
      if (!regex->ok() || index != static_cast<int>(alone_.size())) std::abort();
      names_.push_back(pattern.name);
      alone_.push_back(std::move(regex));
    }
    if (!set_.Compile()) std::abort();
  }

  std::vector<CodeFinding> Find(const std::string& code) const {
    std::vector<int> indexes;
    re2::RE2::Set::ErrorInfo error{};
    if (!set_.Match(code, &indexes, &error)) {
      if (error.kind == re2::RE2::Set::kNoError) return {};
      // Out of memory for all at once: look for each alone rather than for none.
      indexes.clear();
      for (size_t i = 0; i < alone_.size(); ++i) indexes.push_back(static_cast<int>(i));
    }
    std::vector<CodeFinding> findings;
    for (const int index : indexes) {
      const auto at = static_cast<size_t>(index);
      re2::StringPiece found;
      if (alone_[at]->Match(code, 0, code.size(), re2::RE2::UNANCHORED, &found, 1)) {
        findings.push_back({names_[at], static_cast<size_t>(found.data() - code.data())});
      }
    }
    return findings;
  }

 private:
  static re2::RE2::Options Options(int64_t memory) {
    re2::RE2::Options options;
    options.set_max_mem(memory);
    options.set_log_errors(false);
    return options;
  }

  re2::RE2::Set set_;
  std::vector<std::unique_ptr<re2::RE2>> alone_;
  std::vector<const char*> names_;
};

}  // namespace

std::vector<CodeFinding> FindDangerousCode(api::Language language, const std::string& code) {
  static const Matcher python(kPython);
  static const Matcher javascript(kJavaScript);
  static const Matcher shell(kShell);
  switch (MaskOf(language)) {
    case kPython:
      return python.Find(code);
    case kJavaScript:
      return javascript.Find(code);
    default:
      return shell.Find(code);
  }
}

std::string CodePatternsCanonical() {
  std::string text = std::to_string(kPatternCount);
  for (const CodePattern& pattern : kPatterns) {
    text += "\n" + std::to_string(pattern.languages) + " " + pattern.name + " " + pattern.regex;
  }
  return text;
}

}  // namespace sandgate::policy
