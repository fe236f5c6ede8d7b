#include "libs/policy/code_patterns.h"

#include <algorithm>

#include "libs/policy/code_matcher.h"
#include "libs/policy/look_alikes.h"

namespace sandgate::policy {
namespace {

constexpr unsigned kPython = 1;
constexpr unsigned kJavaScript = 2;
constexpr unsigned kShell = 4;
// Names that mean the same wherever they stand: languages call each other.
constexpr unsigned kAny = kPython | kJavaScript | kShell;

constexpr char kLookAlikeName[] = "writes names in letters that only look like ASCII";
// Counts up when look_alikes.cc changes what it finds.
constexpr char kLookAlikeVersion[] = "1";

// An argument of rm within one command, continuation lines included. The quotes are for
// ["rm", "-rf", "/"], the brace and IFS for rm${IFS}-rf.
#define MORE R"((?:[^\n;|&]|\\\n)*)"
#define ARG R"((?:[\s"'}]|\$IFS))"
#define BOTH ARG R"(-[a-zA-Z]*(?:[rR][a-zA-Z]*f|f[a-zA-Z]*[rR]))"
#define RECURSIVE ARG R"((?:-[a-zA-Z]*[rR][a-zA-Z]*|--r[a-z]*))"
#define FORCE ARG R"((?:-[a-zA-Z]*f[a-zA-Z]*|--f[a-z]*))"
// What a download may be piped into, by any path, in a group or a subshell, quoted, and through
// what starts other programs: with its options, its variables (env) and its numbers (timeout).
#define AT_PATH R"(["'\\]?(?:/[\w./-]*/)?)"
#define STARTER \
  R"((?:sudo|env|xargs|nohup|exec|command|nice|time|timeout|setsid|stdbuf|busybox)\s+(?:(?:-\S+|\w+=\S*|[0-9][\w.]*)\s+)*)"
#define INTERPRETER                            \
  R"([\s({]*(?:)" AT_PATH STARTER ")*" AT_PATH \
  R"((?:(?:ba|z|da|k|c|tc|fi|a)?sh|python[0-9.]*|node|perl|ruby|php)\b)"
// os.<these> start programs.
#define OS_STARTS R"((?:system|popen[234]?|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?))"
#define OS_WORDS "system popen execl execv spawnl spawnv posix_spawn"
// White space of Python: continuation lines, and comments inside brackets, included.
#define GAP R"((?:[\s\\]|#[^\n]*\n)*)"
#define SPACE R"([\s\\]+)"
// White space of JavaScript (Unicode's in UTF-8), comments included.
#define JS_GAP \
  R"((?:[\s\x0b]|\xc2\xa0|\xef\xbb\xbf|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80|/\*(?:[^*]|\*+[^*/])*\*+/|//[^\n]*\n)*)"
#define JS_DOT JS_GAP R"((?:\?\.|\.))" JS_GAP

// Letters are those of ASCII; a pattern sees bytes (Latin-1), so that none hides behind bad UTF-8.
constexpr CodePattern kPatterns[] = {
    {kAny, "deletes recursively without asking (rm -rf)", "rm", Before::kNoWord,
     "rm\\b" MORE "(?:" BOTH "|" RECURSIVE MORE FORCE "|" FORCE MORE RECURSIVE ")", "", ""},
    {kAny, "pipes a download into an interpreter (curl | sh)", "curl wget", Before::kNoWord,
     R"((?:curl|wget)\b(?:[^\n]|\\\n)*\|&?)" INTERPRETER, "", ""},
    {kAny, "runs a download (sh -c \"$(curl ...)\")", "", Before::kAnything,
     R"((?:\b(?:(?:ba|z|da|k)?sh|eval|source|exec)\b|(?:^|[\s;&|])\.\s)[^\n]*(?:<\(|\$\(|`)\s*(?:curl|wget)\b)",
     "", "curl wget"},

    {kAny, "starts programs (subprocess)", "subprocess", Before::kAnything, "subprocess", nullptr,
     ""},
    {kAny, "starts programs (os.system and its kin)", "os", Before::kNoWord,
     "os" GAP R"(\.)" GAP OS_STARTS R"(\b)", nullptr, OS_WORDS},
    {kAny, "imports what starts programs from os", "from", Before::kNoWord,
     "from" SPACE "os" SPACE R"(import\b(?:[^\n;(]|\\\n)*(?:\([^)]*)?\b)" OS_STARTS R"(\b)",
     "from" SPACE "os" SPACE "import", OS_WORDS},
    {kAny, "imports everything from os", "from", Before::kNoWord,
     "from" SPACE "os" SPACE "import" GAP R"(\(?)" GAP R"(\*)", nullptr, ""},
    {kPython, "hides os behind another name", "os", Before::kNoWord,
     "os" SPACE "as" SPACE R"(\w+[ \t]*(?:[\n;,#)]|$))", nullptr, ""},
    {kPython, "reaches into os by name", "getattr vars", Before::kNoWord,
     R"((?:getattr|vars)\s*\()" GAP R"(os\b)", nullptr, ""},
    {kPython, "reaches into os by name", "os posix sys", Before::kNoWord,
     R"((?:os|posix|sys\s*\.\s*modules)\s*\.\s*__dict__)", nullptr, "__dict__"},
    {kPython, "starts programs (pty, posix)", "pty posix import from", Before::kNoWord,
     "pty" GAP R"(\.)" GAP R"(spawn\b|(?:import|from))" SPACE R"(posix\b|posix)" GAP
     R"(\.)" GAP OS_STARTS R"(\b)",
     nullptr, "pty posix"},
    {kAny, "imports by name (__import__)", "__import__", Before::kAnything, "__import__", nullptr,
     ""},
    {kPython, "imports by name (importlib)", "import_module", Before::kNoWord,
     "import_module" GAP R"(\()", nullptr, ""},
    {kPython | kShell, "runs text as code (eval)", "eval", Before::kNoMember, "eval" GAP R"(\()",
     nullptr, ""},
    {kPython | kShell, "runs text as code (exec)", "exec", Before::kNoMember, "exec" GAP R"(\()",
     nullptr, ""},
    {kPython, "passes eval or exec on", "eval exec", Before::kPassed,
     R"((?:eval|exec)\s*(?:[\n;#,)\]}]|$))", nullptr, ""},
    {kPython, "reaches eval and exec through builtins", "__builtins__ import from",
     Before::kAnything, "__builtins__|(?:import|from)" SPACE R"((?:builtins|__builtin__)\b)",
     nullptr, "builtins __builtin"},

    {kAny, "starts programs (child_process)", "child_process", Before::kAnything, "child_process",
     nullptr, ""},
    {kJavaScript, "starts programs (execSync and its kin)", "execSync execFile spawnSync",
     Before::kNoWord, "(?:execSync|execFile|execFileSync|spawnSync)" JS_GAP R"(\()", nullptr, ""},
    {kJavaScript, "runs text as code (eval)", "eval", Before::kNoMember,
     "eval" JS_GAP R"((?:\?\.)" JS_GAP R"()?\()", nullptr, ""},
    {kJavaScript, "runs text as code (eval)", "globalThis global window self", Before::kNoWord,
     "(?:globalThis|global|window|self)(?:" JS_DOT R"(eval\b|)" JS_GAP
     R"((?:\?\.)?\[\s*['"`]eval))",
     nullptr, "eval"},
    {kJavaScript, "passes eval on", "eval", Before::kPassed, R"(eval\s*(?:[\n;,)\]}]|$))", nullptr,
     ""},
    {kJavaScript, "runs text as code (Function)", "Function", Before::kNoMember,
     "Function" JS_GAP R"([(`])", nullptr, ""},
    {kJavaScript, "runs text as code (Function)", "constructor", Before::kNoWord,
     "constructor" JS_DOT "constructor" JS_GAP R"(\()", nullptr, ""},
    {kJavaScript, "runs text as code (vm)", "vm", Before::kNoWord,
     "vm" JS_DOT R"((?:run\w+|Script|compileFunction)\b)", nullptr, ""},
    {kJavaScript, "runs text as code (vm)", R"('vm "vm `vm 'node: "node: `node:)",
     Before::kAnything, R"(['"`](?:node:)?vm['"`])", nullptr, ""},
    {kJavaScript, "reaches into the runtime (process.binding)", "process", Before::kNoWord,
     "process" JS_DOT R"((?:binding|_linkedBinding|dlopen)\b)", nullptr,
     "binding _linkedBinding dlopen"},
    {kJavaScript, "writes names in escapes", R"(\u00 \u{)", Before::kAnything,
     R"(\\u(?:00[4-7]|\{0*[4-7])[0-9a-fA-F])", nullptr, ""},

    {kShell, "runs text as code (eval)", "eval", Before::kShellWord,
     R"(eval['"]?(?:\s|\\\n|\$\{?IFS))", nullptr, ""},
};

const CodeMatcher& MatcherOf(api::Language language) {
  static const CodeMatcher python(kPatterns, kPython);
  static const CodeMatcher javascript(kPatterns, kJavaScript);
  static const CodeMatcher shell(kPatterns, kShell);
  switch (language) {
    case api::Language::kPython:
      return python;
    case api::Language::kJavaScript:
      return javascript;
    case api::Language::kShell:
      return shell;
  }
  return shell;
}

}  // namespace

std::vector<CodeFinding> FindDangerousCode(api::Language language, const std::string& code) {
  std::vector<CodeFinding> findings = MatcherOf(language).Find(code);
  if (language == api::Language::kPython) {
    const size_t at = FindLookAlike(code);
    if (at != std::string_view::npos) findings.push_back({kLookAlikeName, {at}});
  }
  return findings;
}

std::vector<std::string> NamesByForce(api::Language language, const std::string& code) {
  std::vector<std::string> names;
  for (const CodeFinding& finding : MatcherOf(language).FindByForce(code)) {
    names.push_back(finding.name);
  }
  return names;
}

std::string CodePatternsCanonical() {
  std::string text = std::string(kLookAlikeName) + kLookAlikeVersion;
  for (const CodePattern& pattern : kPatterns) {
    text += "\n" + std::to_string(pattern.languages) + " " + pattern.name + " " +
            std::to_string(static_cast<int>(pattern.before)) + " " + pattern.regex;
  }
  return text;
}

}  // namespace sandgate::policy
