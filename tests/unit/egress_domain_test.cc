#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/egress/domain.h"
#include "libs/egress/domain_list.h"

namespace sandgate::egress {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(EgressDomain, NormalizesNames) {
  const std::pair<const char*, const char*> rows[] = {
      {"example.com", "example.com"},
      {"EXAMPLE.Com", "example.com"},
      {"example.com.", "example.com"},
      {"a-b.example.com", "a-b.example.com"},
      {"r3---sn-x.example.com", "r3---sn-x.example.com"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"1and1.example.com", "1and1.example.com"},
      {"3.example.com", "3.example.com"},
  };
  for (const auto& [text, want] : rows) {
    std::string name;
    EXPECT_EQ(NormalizeName(text, &name), NameProblem::kNone) << text;
    EXPECT_EQ(name, want);
  }
}

TEST(EgressDomain, RefusesWhatIsNoName) {
  const std::string nul("exa\0mple.com", 12);
  const std::pair<std::string, NameProblem> rows[] = {
      {"", NameProblem::kEmpty},
      {".", NameProblem::kLabel},
      {"..", NameProblem::kLabel},
      {"example..com", NameProblem::kLabel},
      {".example.com", NameProblem::kLabel},
      {"example.com..", NameProblem::kLabel},
      {"-a.example.com", NameProblem::kLabel},
      {"a-.example.com", NameProblem::kLabel},
      {"localhost", NameProblem::kSingleLabel},
      {"com.", NameProblem::kSingleLabel},
      {nul, NameProblem::kCharacter},
      {"example.com\r\nx", NameProblem::kCharacter},
      {"user@example.com", NameProblem::kCharacter},
      {"ex%61mple.com", NameProblem::kCharacter},
      {"ex_ample.com", NameProblem::kCharacter},
      {"example.com/x", NameProblem::kCharacter},
      {"example .com", NameProblem::kCharacter},
      {"*.example.com", NameProblem::kCharacter},
      {"b\xc3\xbc"
       "cher.example",
       NameProblem::kCharacter},
      {"example\xe3\x80\x82"
       "com",
       NameProblem::kCharacter},  // an ideographic full stop
      {std::string(64, 'a') + ".com", NameProblem::kTooLong},
      {std::string(400, 'a'), NameProblem::kTooLong},
      // Addresses in every notation.
      {"127.0.0.1", NameProblem::kAddressLiteral},
      {"127.0.0.1.", NameProblem::kAddressLiteral},
      {"2130706433", NameProblem::kAddressLiteral},
      {"0177.0.0.1", NameProblem::kAddressLiteral},
      {"017700000001", NameProblem::kAddressLiteral},
      {"0x7f000001", NameProblem::kAddressLiteral},
      {"0x7f.0x0.0x0.0x1", NameProblem::kAddressLiteral},
      {"127.1", NameProblem::kAddressLiteral},
      {"127.0.0.0x1", NameProblem::kAddressLiteral},
      {"1.2.3.4%eth0", NameProblem::kAddressLiteral},
      {"::1", NameProblem::kAddressLiteral},
      {"[::1]", NameProblem::kAddressLiteral},
      {"[fe80::1%25eth0]", NameProblem::kAddressLiteral},
      {"fe80::1%eth0", NameProblem::kAddressLiteral},
      {"::ffff:127.0.0.1", NameProblem::kAddressLiteral},
      {"example.1", NameProblem::kAddressLiteral},
  };
  for (const auto& [text, want] : rows) {
    std::string name = "before";
    EXPECT_EQ(NormalizeName(text, &name), want) << text;
    EXPECT_EQ(name, "before");
    EXPECT_STRNE(NameProblemText(want), "");
  }
}

TEST(EgressDomain, LongestNames) {
  const std::string label(63, 'a');
  const std::string most = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(most.size(), kMaxNameBytes);
  std::string name;
  EXPECT_EQ(NormalizeName(most, &name), NameProblem::kNone);
  EXPECT_EQ(NormalizeName(most + ".", &name), NameProblem::kNone);
  EXPECT_EQ(NormalizeName(most + "b", &name), NameProblem::kTooLong);
}

TEST(EgressDomain, AWildcardIsOneLabel) {
  const struct {
    const char* pattern;
    const char* name;
    bool matches;
  } rows[] = {
      {"example.com", "example.com", true},
      {"example.com", "www.example.com", false},
      {"example.com", "notexample.com", false},
      {"*.example.com", "www.example.com", true},
      {"*.example.com", "example.com", false},
      {"*.example.com", "a.b.example.com", false},
      {"*.example.com", "wwwexample.com", false},
      {"*.example.com", "www.example.com.evil.test", false},
      {"*.example.com", ".example.com", false},
      {"*.a.example.com", "x.b.example.com", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(MatchesDomain(row.pattern, row.name), row.matches) << row.pattern << " " << row.name;
  }
  EXPECT_TRUE(MatchesAnyDomain({"a.test", "*.b.test"}, "x.b.test"));
  EXPECT_FALSE(MatchesAnyDomain({}, "x.b.test"));
}

TEST(EgressDomain, PatternsAreNormalised) {
  for (const char* text : {"example.com", "*.example.com"}) EXPECT_TRUE(IsDomainPattern(text));
  for (const char* text : {"Example.com", "example.com.", "*", "*.com.", "**.example.com",
                           "a.*.example.com", "*example.com", "10.0.0.1", "*.1", "com", ""}) {
    EXPECT_FALSE(IsDomainPattern(text)) << text;
  }
}

TEST(EgressDomainList, Normalizes) {
  const auto list =
      NormalizeDomainList({"Example.COM.", "*.Example.com", "example.com",
                           "b\xc3\xbc"
                           "cher.example",
                           "xn--bcher-kva.example", "fa\xc3\x9f.example", "r3---sn-x.example.com"});
  ASSERT_TRUE(list.ok()) << list.status().ToString();
  EXPECT_THAT(*list, ElementsAre("example.com", "*.example.com", "xn--bcher-kva.example",
                                 "xn--fa-hia.example", "r3---sn-x.example.com"));
  EXPECT_THAT(*NormalizeDomainList({}), ElementsAre());
}

TEST(EgressDomainList, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"*", "only as its whole first label"},
      {"**.example.com", "only as its whole first label"},
      {"a.*.example.com", "only as its whole first label"},
      {"*.*.example.com", "only as its whole first label"},
      {"ex*.example.com", "only as its whole first label"},
      {"*.com", "public suffix"},
      {"*.co.uk", "public suffix"},
      {"*.uk.com", "public suffix"},
      {"*.test", "public suffix"},
      {"*.xn--p1ai", "public suffix"},
      {"localhost", "single label"},
      {"10.0.0.1", "is an address"},
      {"0x7f.1", "is an address"},
      {"2130706433", "is an address"},
      {"::1", "is an address"},
      {"[::1]", "is an address"},
      {"*.0.0.1", "is an address"},
      {"https://example.com", "is an address"},  // the colon; any reason would do
      {"example.com:443", "is an address"},
      {"example.com/path", "character"},
      {"user@example.com", "character"},
      {"exam ple.com", "character"},
      {"", "is empty"},
      {"a..example.com", "empty label"},
      {"xn--a.example", "xn--"},
      {"xn--BCHER-KVA\xc3\xbc.example", "international"},
      {"\xff\xfe.example", "international"},
  };
  for (const auto& [entry, why] : rows) {
    const auto list = NormalizeDomainList({"example.com", entry});
    ASSERT_FALSE(list.ok()) << entry;
    EXPECT_THAT(list.status().message(), HasSubstr(why)) << entry;
    EXPECT_THAT(list.status().message(), HasSubstr("allowedDomains[1]"));
  }
}

TEST(EgressDomainList, IsLimited) {
  std::vector<std::string> many;
  for (int i = 0; i < 64; ++i) many.push_back("a" + std::to_string(i) + ".example.com");
  EXPECT_TRUE(NormalizeDomainList(many).ok());
  many.push_back("a0.example.com");  // again
  EXPECT_TRUE(NormalizeDomainList(many).ok());
  many.push_back("b.example.com");
  EXPECT_THAT(NormalizeDomainList(many).status().message(), HasSubstr("more than 64"));
  std::vector<std::string> large;
  for (int i = 0; i < 20; ++i) {
    large.push_back("a" + std::to_string(i) + std::string(50, 'a') + "." + std::string(60, 'b') +
                    "." + std::string(60, 'c') + "." + std::string(60, 'd') + ".example.com");
  }
  EXPECT_THAT(NormalizeDomainList(large).status().message(), HasSubstr("more than 4096"));
  EXPECT_FALSE(NormalizeDomainList({std::string(5000, 'a')}).ok());
}

}  // namespace
}  // namespace sandgate::egress
