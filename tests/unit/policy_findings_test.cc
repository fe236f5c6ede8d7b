// What an approver reads about dangerous code, and that no amount of other code hides it.
#include <gtest/gtest.h>

#include <random>

#include "libs/policy/code_patterns.h"
#include "tests/unit/policy_test_util.h"

namespace sandgate::policy {
namespace {

// Code put together from pieces by a seed: looking for words first must hide nothing.
TEST(PolicyFindings, WordsFirstFindWhatBruteForceFinds) {
  const char* const pieces[] = {"rm",
                                " -rf",
                                " -r",
                                " -f",
                                " --force",
                                "curl",
                                "wget",
                                " | ",
                                "sh",
                                "bash <(",
                                "$(",
                                "subprocess",
                                "os",
                                ".",
                                "system",
                                "popen",
                                "execl",
                                "spawnvp",
                                "posix",
                                "pty",
                                "spawn",
                                "from ",
                                "import ",
                                "*",
                                "(",
                                ")",
                                " as o",
                                "getattr(",
                                "vars(",
                                "sys",
                                "modules",
                                "__dict__",
                                "__import__",
                                "import_module",
                                "eval",
                                "exec",
                                " ",
                                "\n",
                                "\\\n",
                                "# c\n",
                                "/* c */",
                                "// c\n",
                                "=",
                                ",",
                                "return ",
                                "builtins",
                                "__builtins__",
                                "child_process",
                                "execSync",
                                "globalThis",
                                "?.",
                                "['eval']",
                                "Function",
                                "constructor",
                                "vm",
                                "'vm'",
                                "runInContext",
                                "process",
                                "binding",
                                "\\u0065",
                                "\\u{61}",
                                "$",
                                "`",
                                "'",
                                "\"",
                                ";",
                                "x",
                                "1",
                                "\xff",
                                "\xC2\xA0",
                                "${IFS}",
                                "\t",
                                "tee x",
                                "node:vm",
                                "a.eval",
                                "_os",
                                "os_"};
  std::mt19937 random(20300101);
  size_t found = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string code;
    for (size_t i = random() % 14; i > 0; --i) code += pieces[random() % std::size(pieces)];
    for (const auto language :
         {api::Language::kPython, api::Language::kJavaScript, api::Language::kShell}) {
      std::vector<std::string> names;
      for (const CodeFinding& finding : FindDangerousCode(language, code)) {
        if (finding.name.find("look like") == std::string::npos) names.push_back(finding.name);
      }
      ASSERT_EQ(names, NamesByForce(language, code)) << api::LanguageName(language) << ": " << code;
      found += names.size();
    }
  }
  EXPECT_GT(found, 10'000U);  // else it compared nothing with nothing
}

TEST(PolicyFindings, TheReasonShowsTheLine) {
  const Assessment assessment = Judge({kPy, "import sys\n\nx = os.system('ls')\n"});
  ASSERT_FALSE(assessment.reasons.empty());
  EXPECT_EQ(assessment.reasons.front(),
            "CRITICAL: starts programs (os.system and its kin) (line 3: x = os.system('ls'))");
}

TEST(PolicyFindings, TheReasonCountsTheOtherLines) {
  const Assessment assessment =
      Judge({kPy, "eval(a); eval(b)\nprint(1)\neval(c)\n\neval(d)\nexec(e)"});
  ASSERT_GE(assessment.reasons.size(), 2U);
  EXPECT_EQ(assessment.reasons[0],
            "CRITICAL: runs text as code (eval) (line 1: eval(a); eval(b); also line 3, line 5)");
  EXPECT_EQ(assessment.reasons[1], "CRITICAL: runs text as code (exec) (line 6: exec(e))");
}

// More words than are looked at one by one, and the pattern only behind them all.
TEST(PolicyFindings, FoundBehindAThousandNearMisses) {
  struct Row {
    const char* language;
    const char* miss;
    const char* hit;
  };
  const Row rows[] = {{kPy, "x.eval (1)\n", "eval(1)"},
                      {kPy, "os.path\nsystem\n", "os.system('x')"},
                      {kPy, "from os import path\nsystem = 1\n", "from os import *"},
                      {kPy, "a = evaluate\n", "a = eval\n"},
                      {kPy, "import posixpath\n", "import posix\n"},
                      {kJs, "Function.x()\n", "Function('x')"},
                      {kSh, "rm -r x\n", "rm -r -f x"},
                      {kSh, "curl x | jq .\n", "curl x | sh"}};
  for (const Row& row : rows) {
    std::string code;
    for (int i = 0; i < 1000; ++i) code += row.miss;
    EXPECT_EQ(Judge({row.language, code.c_str()}).risk, api::RiskLevel::kHigh) << row.miss;
    code += row.hit;
    const Assessment assessment = Judge({row.language, code.c_str()});
    EXPECT_EQ(assessment.risk, api::RiskLevel::kCritical) << row.hit;
  }
}

// A reason is read on a terminal: no escape sequence and no bidirectional override reaches it.
TEST(PolicyFindings, TheReasonIsPrintable) {
  const Assessment assessment = Judge({kPy, "x = '\x1b[2J\xE2\x80\xAE'; eval(y) # \r gone"});
  ASSERT_FALSE(assessment.reasons.empty());
  for (const std::string& reason : assessment.reasons) {
    for (const char c : reason) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << reason;
  }
}

// Bytes that are not UTF-8, NULs and very long lines are judged, too.
TEST(PolicyFindings, OddBytes) {
  Call call;
  call.tool = "code_execute";
  call.parameters = {{"language", "python"},
                     {"code", std::string("\xff\xfe\0\x80", 4) + "\nos.system('x')\xff"}};
  EXPECT_EQ(Policy::Default()->Assess(call).risk, api::RiskLevel::kCritical);
  EXPECT_EQ(Judge({kSh, "rm \xff\xfe -rf x"}).risk, api::RiskLevel::kCritical);
  EXPECT_EQ(Judge({kSh, "curl \xc3 | sh"}).risk, api::RiskLevel::kCritical);
  // Every word at the very end of the text.
  EXPECT_EQ(Judge({kPy, "x = eval"}).risk, api::RiskLevel::kCritical);
  EXPECT_EQ(Judge({kPy, "os"}).risk, api::RiskLevel::kHigh);
  EXPECT_EQ(Judge({kSh, ""}).risk, api::RiskLevel::kHigh);
}

}  // namespace
}  // namespace sandgate::policy
