// Every change of a chain is found.
#include <gtest/gtest.h>

#include "tests/unit/audit_test_util.h"

namespace sandgate::audit {
namespace {

constexpr int kRecords = 6;

std::vector<std::string> Without(std::vector<std::string> lines, size_t at) {
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
  return lines;
}

std::vector<std::string> With(std::vector<std::string> lines, size_t at, const std::string& line) {
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), line);
  return lines;
}

// The record as somebody writes it who knows how: other fields, and the hash of those.
std::string Rewritten(const std::string& line) {
  const Line old = *ParseLine(line);
  const Position before{old.position.chain, old.position.seq - 1, old.prev};
  return FormatLine(before, {"execution.request", {{"execution", "another"}}}, kNoon);
}

TEST(AuditVerify, AChainAsItWasWrittenIsIntact) {
  const auto lines = Chain(kRecords);
  const Verdict verdict = Check(Join(lines));
  EXPECT_EQ(verdict.fault, Fault::kNone) << verdict.problem;
  EXPECT_EQ(verdict.records, static_cast<size_t>(kRecords));
  EXPECT_EQ(verdict.first, ParseLine(lines.front())->position);
  EXPECT_EQ(verdict.last, ParseLine(lines.back())->position);
}

TEST(AuditVerify, EveryByteOfEveryLineCounts) {
  const auto lines = Chain(kRecords);
  const std::string whole = Join(lines);
  size_t line = 1;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char other : {'0', 'x', '"', '}', '\n', ' ', '\0'}) {
      if (whole[at] == other) continue;
      std::string edited = whole;
      edited[at] = other;
      const std::string found = Found(edited);
      if (whole[at] != '\n' && other != '\n') {
        EXPECT_EQ(found, "edited " + std::to_string(line)) << "byte " << at << " to " << other;
      } else {
        EXPECT_NE(found, "none") << "byte " << at << " to " << other;
      }
    }
    std::string shorter = whole, longer = whole;
    shorter.erase(at, 1);
    longer.insert(at, " ");
    EXPECT_NE(Found(shorter), "none") << "without byte " << at;
    EXPECT_EQ(Found(longer), "edited " + std::to_string(line)) << "a blank at " << at;
    if (whole[at] == '\n') ++line;
  }
}

TEST(AuditVerify, EveryTruncationWithinALineIsFound) {
  const auto lines = Chain(kRecords);
  const std::string whole = Join(lines);
  for (size_t size = 1; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    const size_t full = static_cast<size_t>(std::count(cut.begin(), cut.end(), '\n'));
    if (cut.back() != '\n') {
      EXPECT_EQ(Found(cut), "torn " + std::to_string(full + 1)) << size;
      continue;
    }
    // Whole records cut off: the chain itself cannot know, the last hash does.
    EXPECT_EQ(Found(cut), "none");
    VerifyOptions options;
    options.expect_last = ParseLine(lines.back())->position.hash;
    EXPECT_EQ(Found(cut, options), "not there " + std::to_string(full));
    options = {};
    options.contains = {ParseLine(lines.back())->position.hash};
    EXPECT_EQ(Found(cut, options), "not there " + std::to_string(full));
    EXPECT_EQ(Found(whole, options), "none");
  }
}

TEST(AuditVerify, EveryLineThatIsDroppedDuplicatedOrMovedIsFound) {
  const auto lines = Chain(kRecords);
  for (size_t at = 0; at < lines.size(); ++at) {
    const std::string number = std::to_string(at + 1);
    if (at + 1 < lines.size()) {
      EXPECT_EQ(Found(Join(Without(lines, at))), "dropped " + number);
    }
    for (size_t to = 0; to <= lines.size(); ++to) {
      const std::string twice = Found(Join(With(lines, to, lines[at])));
      if (to > at) {
        EXPECT_EQ(twice, "duplicated " + std::to_string(to + 1));
      } else {
        EXPECT_NE(twice, "none");
      }
    }
    for (size_t to = 0; to < lines.size(); ++to) {
      if (to == at) continue;
      const std::string moved = Found(Join(With(Without(lines, at), to, lines[at])));
      EXPECT_EQ(moved.substr(0, 9), "reordered") << at << " to " << to;
    }
  }
}

TEST(AuditVerify, ARecordThatWasRewrittenWithItsHashIsFoundByTheNext) {
  const auto lines = Chain(kRecords);
  for (size_t at = 1; at < lines.size(); ++at) {
    auto edited = lines;
    edited[at] = Rewritten(lines[at]);
    ASSERT_TRUE(ParseLine(edited[at]).ok());
    VerifyOptions options;
    options.expect_last = ParseLine(lines.back())->position.hash;
    const std::string found = Found(Join(edited), options);
    const bool last = at + 1 == lines.size();
    EXPECT_EQ(found, (last ? "not there " : "edited ") + std::to_string(at + 1));
  }
}

TEST(AuditVerify, AnotherChainIsFound) {
  const auto mine = Chain(3), other = Chain(3, std::string(32, 'd'));
  EXPECT_EQ(Found(Join(mine) + Join(other)), "spliced 4");
  auto spliced = mine;
  spliced[1] = other[1];
  EXPECT_EQ(Found(Join(spliced)), "spliced 2");
}

TEST(AuditVerify, NothingAtAllIsNotIntact) {
  EXPECT_EQ(Found(""), "empty 0");
  EXPECT_EQ(Found("\n"), "edited 1");
  EXPECT_EQ(Found("hello\n"), "edited 1");
}

TEST(AuditVerify, ARotatedFileGoesOnBehindTheRecordThatIsNamed) {
  const auto lines = Chain(kRecords);
  const std::string rest = Join({lines.begin() + 3, lines.end()});
  EXPECT_EQ(Found(rest), "dropped 1");
  VerifyOptions options;
  options.after = ParseLine(lines[2])->position.hash;
  EXPECT_EQ(Found(rest, options), "none");
  options.after = ParseLine(lines[1])->position.hash;
  EXPECT_EQ(Found(rest, options), "dropped 1");
}

// What a crash leaves: a torn line, closed by a newline, and the record that reports it.
class TornChain : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = Chain(3);
    torn_ = before_.back().substr(0, 50);
    before_.pop_back();
    const Record record = GoOn({ParseLine(before_.back())->position, torn_}, {});
    report_ = FormatLine(ParseLine(before_.back())->position, record, kNoon);
  }

  std::vector<std::string> before_;
  std::string torn_, report_;
};

TEST_F(TornChain, IsIntactWhenItIsReported) {
  const Verdict verdict = Check(Join(before_) + torn_ + "\n" + report_ + "\n");
  EXPECT_EQ(verdict.fault, Fault::kNone) << verdict.problem;
  EXPECT_EQ(verdict.torn, 1u);
}

TEST_F(TornChain, IsFoundWhenTheDamageIsNotTheOneReported) {
  EXPECT_EQ(Found(Join(before_) + torn_ + "x\n" + report_ + "\n"), "edited 3");
  EXPECT_EQ(Found(Join(before_) + report_ + "\n"), "dropped 3");
  EXPECT_EQ(Found(Join(before_) + torn_ + "\n"), "edited 3");
}

TEST(AuditVerifyMixed, OtherLinesAreSkippedAndChainsStandBesideEachOther) {
  const auto one = Chain(3), two = Chain(3, std::string(32, 'd'));
  const std::string log = "starting\n" + one[1] + "\n{\"level\":\"info\"}\n" + two[0] + "\n" +
                          two[1] + "\n" + one[2] + "\n\n" + two[2] + "\n";
  EXPECT_EQ(Found(log), "edited 1");
  VerifyOptions options;
  options.mixed = true;
  const Verdict verdict = Check(log, options);
  EXPECT_EQ(verdict.fault, Fault::kNone) << verdict.problem;
  EXPECT_EQ(verdict.chains, 2u);
  EXPECT_EQ(verdict.records, 5u);
  EXPECT_EQ(verdict.skipped, 3u);
}

TEST(AuditVerifyMixed, EveryByteStillCounts) {
  VerifyOptions options;
  options.mixed = true;
  const auto lines = Chain(4);
  for (size_t at = 0; at < lines[1].size(); ++at) {
    auto edited = lines;
    edited[1][at] = edited[1][at] == 'x' ? 'y' : 'x';
    EXPECT_NE(Found(Join(edited), options), "none") << at;
  }
  EXPECT_EQ(Found(Join(Without(lines, 1)), options), "dropped 2");
  EXPECT_EQ(Found(Join(With(lines, 2, lines[1])), options), "duplicated 3");
}

}  // namespace
}  // namespace sandgate::audit
