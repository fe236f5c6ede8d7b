#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/webhook_logic.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::Json;
using testing::HasSubstr;
using testing::Not;

// The fixture's question, at 15 of its 60 seconds.
api::Approval Question() {
  Moment moment;
  moment.Ask();
  api::Approval approval = moment.approval;
  approval.meta.ns = "agents";
  approval.request.summary.tool = "code_execute";
  approval.request.summary.language = "python";
  approval.request.summary.code_excerpt = "import s3cret_code";
  approval.request.summary.text = "agent wants to run s3cret_text";
  approval.request.summary.code_bytes = 18;
  approval.request.reasons = {"CRITICAL: runs commands (line 3: os.system('s3cret_line'))",
                              "HIGH: runs code"};
  return approval;
}

Json Body(const api::Approval& approval, WebhookEvent event = WebhookEvent::kPending,
          const WebhookText& what = {}) {
  const std::string text = WebhookBody(approval, event, what, At(15));
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
  auto parsed = api::ParseJson(text);
  EXPECT_TRUE(parsed.ok());
  return *parsed;
}

TEST(WebhookBody, SaysWhatIsAsked) {
  const Json body = Body(Question());
  EXPECT_EQ(body["id"], "approval-uid.pending");
  EXPECT_EQ(body["event"], "approval.pending");
  EXPECT_EQ(body["sentAt"], "2030-01-01T00:00:15Z");
  const Json& approval = body["approval"];
  EXPECT_EQ(approval["namespace"], "agents");
  EXPECT_EQ(approval["name"], "run-1");
  EXPECT_EQ(approval["uid"], "approval-uid");
  EXPECT_EQ(approval["phase"], "Pending");
  EXPECT_EQ(approval["risk"], "HIGH");
  EXPECT_EQ(approval["reasons"], Json::array({"CRITICAL: runs commands", "HIGH: runs code"}));
  EXPECT_EQ(approval["reasonsTotal"], 2);
  EXPECT_EQ(approval["requester"], "agent");
  EXPECT_EQ(approval["tool"], "code_execute");
  EXPECT_EQ(approval["language"], "python");
  EXPECT_EQ(approval["sandbox"], "box");
  EXPECT_EQ(approval["execution"]["uid"], "execution-uid");
  EXPECT_EQ(approval["codeBytes"], 18);
  EXPECT_EQ(approval["domains"], Json::array());
  EXPECT_EQ(approval["expiresAt"], "2030-01-01T00:01:00Z");
  EXPECT_EQ(approval["secondsLeft"], 45);
  EXPECT_EQ(approval["commands"]["approve"],
            "kubectl patch approvals.sandgate.dev -n agents run-1 --type=merge "
            "-p '{\"spec\":{\"decision\":{\"verdict\":\"Approved\"}}}'");
  EXPECT_EQ(body["text"],
            "Sandgate asks: HIGH, 45 s left, `agents/run-1`: `code_execute` by `agent` in sandbox "
            "`box`. Why: `CRITICAL: runs commands`, `HIGH: runs code`. Read `kubectl get "
            "approvals.sandgate.dev -n agents run-1 -o yaml` then decide `kubectl patch "
            "approvals.sandgate.dev -n agents run-1 --type=merge -p "
            "'{\"spec\":{\"decision\":{\"verdict\":\"Approved\"}}}'` or `kubectl patch "
            "approvals.sandgate.dev -n agents run-1 --type=merge -p "
            "'{\"spec\":{\"decision\":{\"verdict\":\"Denied\"}}}'`");
}

TEST(WebhookBody, SaysHowItEnded) {
  api::Approval approval = Question();
  approval.phase = api::ApprovalPhase::kDenied;
  approval.decision = {api::Verdict::kDenied, "why the network?", "alice"};
  const Json denied = Body(approval, WebhookEvent::kSettled);
  EXPECT_EQ(denied["id"], "approval-uid.settled");
  EXPECT_EQ(denied["event"], "approval.settled");
  EXPECT_EQ(denied["approval"]["verdict"], "Denied");
  EXPECT_EQ(denied["approval"]["decidedBy"], "alice");
  EXPECT_EQ(denied["approval"]["reason"], "why the network?");
  EXPECT_FALSE(denied["approval"].contains("commands"));
  EXPECT_FALSE(denied["approval"].contains("secondsLeft"));
  EXPECT_EQ(denied["text"],
            "Sandgate: Denied by `alice`, `agents/run-1`: `code_execute` by `agent` "
            "in sandbox `box`. Reason: `why the network?`");

  approval.decision->verdict = api::Verdict::kApproved;
  EXPECT_THAT(Body(approval, WebhookEvent::kSettled)["text"],
              HasSubstr("Sandgate: Denied though approved by `alice`"));

  approval.decision.reset();
  approval.phase = api::ApprovalPhase::kExpired;
  approval.message = "Nobody decided in time.";
  const Json expired = Body(approval, WebhookEvent::kSettled);
  EXPECT_EQ(expired["approval"]["phase"], "Expired");
  EXPECT_EQ(expired["approval"]["message"], "Nobody decided in time.");
  EXPECT_FALSE(expired["approval"].contains("verdict"));
  EXPECT_THAT(expired["text"], HasSubstr("Expired, `agents/run-1`"));
}

TEST(WebhookBody, NoCodeUnlessConfigured) {
  for (const WebhookEvent event : {WebhookEvent::kPending, WebhookEvent::kSettled}) {
    EXPECT_THAT(Body(Question(), event).dump(), Not(HasSubstr("s3cret")));
    const Json told = Body(Question(), event, {.include_code = true});
    EXPECT_EQ(told["approval"]["codeExcerpt"], "import s3cret_code");
    EXPECT_THAT(told["approval"]["reasons"].dump(), HasSubstr("s3cret_line"));
  }
}

TEST(WebhookBody, ReasonsLoseTheirEvidenceWhateverItHolds) {
  const std::pair<const char*, const char*> cases[] = {
      {"HIGH: runs code", "HIGH: runs code"},
      {"CRITICAL: eval (line 1: eval (x))", "CRITICAL: eval"},
      {"CRITICAL: rm (line 1: a) (b) (c", "CRITICAL: rm"},
      {"HIGH: path (param: /etc/(passwd))", "HIGH: path"},
      {" (all evidence)", ""},
      {"", ""},
  };
  for (const auto& [reason, left] : cases) EXPECT_EQ(WithoutEvidence(reason), left) << reason;
}

TEST(WebhookText, ForeignTextStaysInItsSpan) {
  struct Case {
    const char* why;
    std::string text;
    std::string span;
  };
  const Case cases[] = {
      {"plain", "alice@example.com", "`alice@example.com`"},
      {"empty", "", ""},
      {"Slack's mention", "<!channel> <@U1>", "`&lt;!channel&gt; &lt;@U1&gt;`"},
      {"Slack's link", "<https://evil.example|ok>", "`&lt;https://evil.example|ok&gt;`"},
      {"an entity", "&lt;!here&gt;", "`&amp;lt;!here&amp;gt;`"},
      {"the span's end", "`@all [x](https://evil.example)`", "`'@all [x](https://evil.example)'`"},
      {"lines", "a\nb\r\nc\td", "`a?b??c?d`"},
      {"separators of Unicode", "a\xe2\x80\xa8z\xe2\x80\xa9z", "`a?z?z`"},
      {"reversed reading", "a\xe2\x80\xaez\xe2\x81\xa6", "`a?z?`"},
      {"not seen", "a\xe2\x80\x8bz\xef\xbb\xbf\xc2\xad", "`a?z??`"},
      {"tags", "a\xf3\xa0\x81\x81", "`a?`"},
      {"C1 controls", "a\xc2\x85z", "`a?z`"},
      {"NUL and escape", std::string("a\0b\x1b[31m", 8), "`a?b?[31m`"},
      {"not UTF-8", "a\xff\xc3z\xe2\x82", "`a??z??`"},
      {"overlong", "a\xc0\xaf\xe0\x80\xaf", "`a?????`"},
      {"letters of the world", "\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x99\x82",
       "`\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x99\x82`"},
  };
  for (const Case& c : cases) EXPECT_EQ(CodeSpan(c.text, 100), c.span) << c.why;
  EXPECT_EQ(CodeSpan("<<<<", 3), "`&lt;&lt;&lt;...`");
  EXPECT_EQ(CodeSpan("abc", 3), "`abc`");
}

TEST(WebhookText, NothingForeignOutsideOfSpans) {
  const std::string evil = "`<!channel>`\n<https://evil.example|here> @all *bold*";
  api::Approval approval = Question();
  approval.request.requester = approval.request.sandbox_name = evil;
  approval.request.summary.tool = evil;
  approval.request.summary.domains = {evil, evil};
  approval.request.reasons = {evil, evil, evil, evil};
  approval.meta.ns = evil;
  approval.message = evil;
  approval.decision = {api::Verdict::kApproved, evil, evil};
  for (const WebhookEvent event : {WebhookEvent::kPending, WebhookEvent::kSettled}) {
    std::string text = Body(approval, event)["text"];
    EXPECT_THAT(text, Not(HasSubstr("<")));
    EXPECT_THAT(text, Not(HasSubstr("\n")));
    EXPECT_THAT(text, Not(HasSubstr("kubectl"))) << "no command with such a name in it";
    for (size_t open; (open = text.find('`')) != std::string::npos;) {
      const size_t close = text.find('`', open + 1);
      ASSERT_NE(close, std::string::npos) << text;
      text.erase(open, close + 1 - open);
    }
    EXPECT_THAT(text, Not(HasSubstr("evil")));
    EXPECT_THAT(text, Not(HasSubstr("@all")));
  }
}

TEST(WebhookText, CommandsOnlyForNamesOfKubernetes) {
  for (const char* name : {"x; rm -rf /", "$(id)", "-oyaml", "A", "a b", "a'b", "a\nb", ""}) {
    api::Approval approval = Question();
    approval.meta.name = name;
    EXPECT_FALSE(Body(approval)["approval"].contains("commands")) << name;
  }
}

TEST(WebhookBody, HasASizeWhateverTheApprovalHolds) {
  api::Approval approval = Question();
  approval.request.reasons.assign(64, std::string(1024, '\x01'));
  approval.request.summary.domains.assign(128, std::string(253, 'd'));
  approval.request.summary.code_excerpt = std::string(api::kMaxExcerptBytes, '\x01');
  const std::string body =
      WebhookBody(approval, WebhookEvent::kPending, {.include_code = true}, At(15));
  EXPECT_LT(body.size(), 128U * 1024);
  const Json parsed = *api::ParseJson(body);
  EXPECT_EQ(parsed["approval"]["reasons"].size(), 16U);
  EXPECT_EQ(parsed["approval"]["reasonsTotal"], 64);
  EXPECT_LT(std::string(parsed["text"]).size(), 4000U) << "Slack cuts longer ones";
}

TEST(WebhookBody, ALateOneHasNoTimeLeft) {
  api::Approval approval = Question();
  approval.request.expires_at = At(10);
  EXPECT_EQ(Body(approval)["approval"]["secondsLeft"], 0);
}

// Computed with Python: hmac.new(key, b"1893456015.{}", "sha256").hexdigest().
TEST(WebhookSignature, IsWhatOthersCompute) {
  EXPECT_EQ(WebhookSignature({"0123456789abcdef"}, At(15), "{}"),
            "t=1893456015,v1=9523f95707fae6f3cab0cbafb315fbe3007346ed4a2ded2cfcc9560b2507c606");
  EXPECT_EQ(WebhookSignature({"0123456789abcdef", "fedcba9876543210"}, At(15), "{}"),
            "t=1893456015,v1=9523f95707fae6f3cab0cbafb315fbe3007346ed4a2ded2cfcc9560b2507c606"
            ",v1=28bbccec743831febfa34274ea332351d8e1cda9788cef6985626b38c57569f0");
}

}  // namespace
}  // namespace sandgate::op
