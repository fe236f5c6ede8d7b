#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "libs/egress/domain.h"
#include "libs/egress/protocol.h"

namespace sandgate::egress {
namespace {

TEST(EgressProtocol, EveryReasonHasItsOwnWord) {
  std::set<std::string> names;
  for (const Reason reason : AllReasons()) {
    EXPECT_TRUE(names.insert(ReasonName(reason)).second) << ReasonName(reason);
    EXPECT_STRNE(ReasonAdvice(reason), "");
    const unsigned status = ReasonStatus(reason);
    EXPECT_TRUE(status == 0 || (status >= 400 && status < 600)) << ReasonName(reason);
  }
  EXPECT_EQ(AllReasons().back(), Reason::kInternal);
}

TEST(EgressProtocol, RefusalsAreJson) {
  const auto body = nlohmann::json::parse(
      RefusalJson(Reason::kNameNotAllowed, "evil.test\xff\"", {"example.com"}));
  EXPECT_EQ(body.at("code"), "NameNotAllowed");
  EXPECT_EQ(body.at("allowed"), nlohmann::json({"example.com"}));
  EXPECT_TRUE(body.at("message").is_string());
  EXPECT_TRUE(body.at("domain").get<std::string>().starts_with("evil.test"));
  EXPECT_EQ(nlohmann::json::parse(RefusalJson(Reason::kMalformed, "", {})).at("allowed").size(),
            0u);
}

TEST(EgressProtocol, RefusalsStandInTheStatusLineAndInTheAlert) {
  const std::string answer = RefusalAnswer(Reason::kPort, "a.test", {"b.test"});
  const std::string body = RefusalJson(Reason::kPort, "a.test", {"b.test"});
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403 Port\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body)) << answer;
  EXPECT_NE(answer.find("Content-Length: " + std::to_string(body.size()) + "\r\n"),
            std::string::npos);
  EXPECT_EQ(RefusalAlert(Reason::kSniOther),
            "\x15\x03\x03" + std::string(1, '\0') + "\x02\x02\x70");
  EXPECT_EQ(RefusalAlert(Reason::kConnectFailed).back(), 49);
  EXPECT_EQ(RefusalAlert(Reason::kProxyUnreachable).back(), 80);
}

TEST(EgressProtocol, TheNameForAnyNameIsAName) {
  std::string name;
  EXPECT_EQ(NormalizeName(kBySniName, &name), NameProblem::kNone);
  EXPECT_EQ(BySniRequest("T"),
            "CONNECT by-sni.invalid:443 HTTP/1.1\r\nSandgate-Grant: T\r\n"
            "Host: by-sni.invalid:443\r\n\r\n");
}

}  // namespace
}  // namespace sandgate::egress
