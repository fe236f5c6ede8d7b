#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libs/egress/base64url.h"
#include "libs/egress/grant.h"

namespace sandgate::egress {
namespace {

using testing::HasSubstr;

const base::Time kNow = base::Time(std::chrono::seconds(1'800'000'000));
using std::chrono::seconds;

Grant Sound() {
  Grant grant;
  grant.sandbox_uid = "7f3a0000-0000-4000-8000-000000000001";
  grant.run_id = "run-1";
  grant.name_space = "agents";
  grant.execution = "fetch";
  grant.domains = {"example.com", "*.files.example.com"};
  grant.not_before = kNow;
  grant.expires = kNow + seconds(60);
  grant.max_bytes = 1 << 30;
  return grant;
}

class EgressGrant : public testing::Test {
 protected:
  std::string Sign(const Grant& grant) { return SignGrant(grant, key_.private_pem).value(); }
  Reason Refused(const std::string& token, base::Time now = kNow) {
    const auto result = verifier_.Verify(token, now);
    return std::holds_alternative<Reason>(result) ? std::get<Reason>(result) : Reason::kClosed;
  }

  const GrantKey key_ = CreateGrantKey().value();
  const GrantKey other_ = CreateGrantKey().value();
  const GrantVerifier verifier_ = GrantVerifier::Create({key_.public_pem}).value();
};

TEST_F(EgressGrant, ComesBackAsItWasSigned) {
  const std::string token = Sign(Sound());
  const auto result = verifier_.Verify(token, kNow);
  ASSERT_TRUE(std::holds_alternative<Grant>(result));
  EXPECT_EQ(std::get<Grant>(result), Sound());
  EXPECT_THAT(token, testing::StartsWith("sgeg1." + GrantKeyId(key_.public_pem).value() + "."));
  EXPECT_EQ(GrantKeyId(key_.public_pem).value(), GrantKeyId(key_.private_pem).value());
}

TEST_F(EgressGrant, ThePublicHalfOfAKey) {
  EXPECT_EQ(PublicGrantKey(key_.private_pem).value(), key_.public_pem);
  for (const std::string& no : {std::string(), std::string("no key"), key_.public_pem}) {
    EXPECT_EQ(PublicGrantKey(no).status().code(), base::Code::kInvalidArgument) << no;
  }
}

TEST_F(EgressGrant, HoldsForItsTimeAndTheSkew) {
  const std::string token = Sign(Sound());
  EXPECT_EQ(Refused(token, kNow - kGrantClockSkew - seconds(1)), Reason::kGrantNotYet);
  EXPECT_EQ(Refused(token, kNow - kGrantClockSkew), Reason::kClosed);
  EXPECT_EQ(Refused(token, kNow + seconds(60) + kGrantClockSkew - seconds(1)), Reason::kClosed);
  EXPECT_EQ(Refused(token, kNow + seconds(60) + kGrantClockSkew), Reason::kGrantExpired);
}

TEST_F(EgressGrant, OnlyKnownKeysCount) {
  const std::string foreign = SignGrant(Sound(), other_.private_pem).value();
  EXPECT_EQ(Refused(foreign), Reason::kGrantForged);
  const auto both = GrantVerifier::Create({other_.public_pem, key_.public_pem}).value();
  EXPECT_TRUE(std::holds_alternative<Grant>(both.Verify(foreign, kNow)));
  EXPECT_TRUE(std::holds_alternative<Grant>(both.Verify(Sign(Sound()), kNow)));
  EXPECT_TRUE(std::holds_alternative<Reason>(GrantVerifier().Verify(Sign(Sound()), kNow)));
  EXPECT_EQ(GrantVerifier().size(), 0u);
  EXPECT_EQ(both.size(), 2u);
}

TEST_F(EgressGrant, AKnownKeyIdOverAForeignSignatureIsForged) {
  const std::string mine = Sign(Sound());
  const std::string foreign = SignGrant(Sound(), other_.private_pem).value();
  const std::string mixed = mine.substr(0, mine.rfind('.')) + foreign.substr(foreign.rfind('.'));
  EXPECT_EQ(Refused(mixed), Reason::kGrantForged);
}

TEST_F(EgressGrant, EveryChangedCharacterIsRefused) {
  const std::string token = Sign(Sound());
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(Refused(changed), Reason::kClosed) << i;
    EXPECT_NE(Refused(token.substr(0, i)), Reason::kClosed) << i;
  }
  for (const char* tail : {"A", "=", ".", " ", "\n"}) {
    EXPECT_EQ(Refused(token + tail), Reason::kGrantMalformed) << tail;
  }
}

TEST_F(EgressGrant, AnotherAudienceIsRefused) {
  Grant grant = Sound();
  grant.audience = "sandgate-runner";
  EXPECT_EQ(Refused(Sign(grant)), Reason::kGrantAudience);
}

TEST_F(EgressGrant, OtherAlgorithmsAreRefused) {
  const std::string payload = Base64UrlEncode(R"({"aud":"sandgate-egress"})");
  const std::string id = GrantKeyId(key_.public_pem).value();
  for (const std::string& token :
       {Base64UrlEncode(R"({"alg":"none"})") + "." + payload + ".",
        Base64UrlEncode(R"({"alg":"HS256"})") + "." + payload + "." + Base64UrlEncode("x"),
        "sgeg2." + id + "." + payload + "." + Base64UrlEncode(std::string(64, 'x')),
        "sgeg1." + id + "." + payload + ".", std::string("sgeg1."), std::string(),
        std::string(".")}) {
    EXPECT_EQ(Refused(token), Reason::kGrantMalformed) << token;
  }
}

TEST_F(EgressGrant, LongTokensAreNotRead) {
  EXPECT_EQ(Refused("sgeg1." + std::string(kMaxGrantBytes, 'a')), Reason::kGrantMalformed);
  Grant grant = Sound();
  grant.domains.clear();
  const std::string label(60, 'a');
  for (int i = 0; i < 64; ++i) {
    grant.domains.push_back("h" + std::to_string(i) + "." + label + "." + label + ".example.com");
  }
  const auto signed_grant = SignGrant(grant, key_.private_pem);
  ASSERT_FALSE(signed_grant.ok());
  EXPECT_THAT(signed_grant.status().message(), HasSubstr("8 KiB"));
}

TEST_F(EgressGrant, UnsoundGrantsAreNotSigned) {
  const std::pair<const char*, void (*)(Grant*)> rows[] = {
      {"sbx", [](Grant* g) { g->sandbox_uid = ""; }},
      {"sbx", [](Grant* g) { g->sandbox_uid = "a\nb"; }},
      {"run", [](Grant* g) { g->run_id = std::string(300, 'r'); }},
      {"ns", [](Grant* g) { g->name_space = "a b"; }},
      {"exe", [](Grant* g) { g->execution = ""; }},
      {"aud", [](Grant* g) { g->audience = ""; }},
      {"dom", [](Grant* g) { g->domains.clear(); }},
      {"dom", [](Grant* g) { g->domains.assign(65, "example.com"); }},
      {"dom", [](Grant* g) { g->domains = {"Example.com"}; }},
      {"dom", [](Grant* g) { g->domains = {"*"}; }},
      {"dom", [](Grant* g) { g->domains = {"127.0.0.1"}; }},
      {"exp", [](Grant* g) { g->expires = g->not_before; }},
      {"exp", [](Grant* g) { g->expires += std::chrono::hours(24); }},
      {"time", [](Grant* g) { g->expires = base::Time::max(); }},
      {"max", [](Grant* g) { g->max_bytes = 0; }},
  };
  for (const auto& [member, spoil] : rows) {
    Grant grant = Sound();
    spoil(&grant);
    const auto result = SignGrant(grant, key_.private_pem);
    ASSERT_FALSE(result.ok()) << member;
    EXPECT_THAT(result.status().message(), HasSubstr(member));
  }
}

TEST_F(EgressGrant, RefusesOtherKeys) {
  EXPECT_FALSE(SignGrant(Sound(), key_.public_pem).ok());
  EXPECT_FALSE(SignGrant(Sound(), "no key").ok());
  EXPECT_FALSE(GrantVerifier::Create({key_.private_pem}).ok());
  EXPECT_FALSE(GrantVerifier::Create({""}).ok());
  EXPECT_FALSE(GrantVerifier::Create(std::vector<std::string>(9, key_.public_pem)).ok());
  EXPECT_FALSE(GrantKeyId("").ok());
}

TEST(EgressBase64Url, OneSpellingForEachValue) {
  for (const std::string& text : {std::string(), std::string("f"), std::string("fo"),
                                  std::string("foo"), std::string("\0\xff\xfe", 3)}) {
    EXPECT_EQ(Base64UrlDecode(Base64UrlEncode(text)), text);
  }
  EXPECT_EQ(Base64UrlEncode("\xfb\xff"), "-_8");
  for (const char* bad : {"A", "AB==", "A+", "A/", "AB", "Zm9vA", "Zm 9v", "Zm9v\n"}) {
    EXPECT_EQ(Base64UrlDecode(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace sandgate::egress
