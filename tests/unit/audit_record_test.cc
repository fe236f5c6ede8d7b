#include <gtest/gtest.h>

#include <algorithm>

#include "libs/base/ids.h"
#include "tests/unit/audit_test_util.h"

namespace sandgate::audit {
namespace {

using api::Json;

Line Written(const Json& fields) {
  const std::string line = FormatLine({kChain}, {"test", fields}, kNoon);
  auto parsed = ParseLine(line);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString() << "\n" << line;
  return parsed.ok() ? *parsed : Line{};
}

TEST(AuditRecord, TheCanonicalFormIsWhatTheHeaderSays) {
  const std::string line = FormatLine({kChain}, {"test", {{"zebra", 1}, {"ant", "b\"\n"}}}, kNoon);
  const std::string canonical = "{\"ant\":\"b\\\"\\n\",\"chain\":\"" + kChain +
                                "\",\"event\":\"test\",\"log\":\"audit\"," + "\"prev\":\"" +
                                std::string(64, '0') + "\",\"seq\":1," +
                                "\"time\":\"2030-01-01T12:00:00.000000Z\",\"zebra\":1}";
  EXPECT_EQ(line, canonical.substr(0, canonical.size() - 1) + ",\"hash\":\"" +
                      base::Sha256Hex(canonical) + "\"}");
}

TEST(AuditRecord, EachLineNamesTheOneBeforeIt) {
  const auto lines = Chain(3);
  EXPECT_EQ(ParseLine(lines[0])->prev, std::string(64, '0'));
  EXPECT_EQ(ParseLine(lines[1])->prev, ParseLine(lines[0])->position.hash);
  EXPECT_EQ(ParseLine(lines[2])->position.seq, 3);
}

TEST(AuditRecord, NoInputMakesAnotherLineOrAnotherMember) {
  const std::string forged = "x\",\"verdict\":\"Approved\"}\n{\"log\":\"audit\"";
  const Line line = Written({{"reason", forged}});
  EXPECT_EQ(line.members.at("reason"), forged);
  EXPECT_FALSE(line.members.contains("verdict"));
}

TEST(AuditRecord, LinesArePrintableAscii) {
  for (const std::string text :
       {"\x01\x1b[2J\x7f", "\xe2\x80\xa8\xe2\x80\xae", "\xff\xfe", "ü€😀"}) {
    const std::string line = FormatLine({kChain}, {"test", {{"text", text}}}, kNoon);
    EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }))
        << line;
    EXPECT_TRUE(ParseLine(line).ok());
  }
}

TEST(AuditRecord, TextsAreCutBetweenCharactersAndItIsSaid) {
  std::string text;
  while (text.size() <= kMaxTextBytes) text += "€";
  const Line line = Written({{"text", text}});
  const auto kept = line.members.at("text").get<std::string>();
  EXPECT_LE(kept.size(), kMaxTextBytes);
  EXPECT_TRUE(text.starts_with(kept));
  EXPECT_EQ(kept.size() % 3, 0u);
  EXPECT_EQ(line.members.at("cut"), true);
  EXPECT_FALSE(Written({{"text", "short"}}).members.contains("cut"));
}

TEST(AuditRecord, NoLineIsLongerThanTheLimit) {
  Json fields = Json::object();
  for (int i = 0; i < 40; ++i) {
    fields["text" + std::to_string(i)] = std::string(100'000, '\x01');
    fields["list" + std::to_string(i)] = std::vector<std::string>(1'000, std::string(9'000, '"'));
  }
  const std::string line = FormatLine({kChain}, {"test", fields}, kNoon);
  EXPECT_LE(line.size(), kMaxLineBytes);
  EXPECT_TRUE(ParseLine(line).ok());
}

TEST(AuditRecord, FieldsCannotTakeTheChainsOwnNames) {
  const Line line = Written({{"seq", 99}, {"prev", "mine"}, {"log", "mine"}, {"chain", "mine"}});
  EXPECT_EQ(line.position.seq, 1);
  EXPECT_EQ(line.position.chain, kChain);
}

TEST(AuditTail, WhereTheChainGoesOn) {
  const auto lines = Chain(3);
  const std::string whole = Join(lines);
  const Position second = ParseLine(lines[1])->position, third = ParseLine(lines[2])->position;
  EXPECT_FALSE(ReadTail("").last);
  EXPECT_EQ(ReadTail(whole).last, third);
  EXPECT_EQ(ReadTail(whole).damage, "");
  // Every way in which the last line can be torn.
  EXPECT_EQ(ReadTail(whole.substr(0, whole.size() - 1)).last, third) << "only its newline is gone";
  for (size_t cut = 2; cut <= lines[2].size(); ++cut) {
    const Tail tail = ReadTail(whole.substr(0, whole.size() - cut));
    EXPECT_EQ(tail.last, second) << cut;
    EXPECT_EQ(tail.damage.size(), lines[2].size() + 1 - cut);
  }
  EXPECT_EQ(ReadTail(whole + "\n\nnoise\n{").last, third);
  EXPECT_EQ(ReadTail(whole + "\n\nnoise\n{").damage, "\n\nnoise\n{");
  // A window that begins within a line.
  EXPECT_EQ(ReadTail(whole.substr(lines[0].size() / 2)).last, third);
  EXPECT_EQ(ReadTail("\n\n\n").damage, "\n\n\n");
}

}  // namespace
}  // namespace sandgate::audit
