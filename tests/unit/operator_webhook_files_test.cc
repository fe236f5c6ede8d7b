#include <gtest/gtest.h>

#include "operator/metrics.h"
#include "operator/options.h"
#include "operator/webhook_files.h"
#include "tests/unit/operator_webhook_test_util.h"

namespace sandgate::op {
namespace {

constexpr char kKey[] = "0123456789abcdef";

TEST(WebhookFiles, ReadsThemTrimmed) {
  const SecretDirectory secret;
  secret.Write("url", "  https://hooks.example.com/T0/x\n");
  secret.Write("key", std::string("\n") + kKey + "\r\n\nfedcba9876543210\n");
  const auto target = ReadWebhookTarget(secret.path(), false);
  ASSERT_TRUE(target.ok()) << target.status().ToString();
  EXPECT_EQ(target->url.host, "hooks.example.com");
  EXPECT_EQ(target->url.target, "/T0/x");
  EXPECT_EQ(target->keys, (std::vector<std::string>{kKey, "fedcba9876543210"}));
  EXPECT_EQ(target->ca_pem, "") << "the system's authorities";
  secret.Write("ca.crt", "PEM");
  EXPECT_EQ(ReadWebhookTarget(secret.path(), false)->ca_pem, "PEM\n");
}

TEST(WebhookFiles, RefusesAndNeverRepeatsTheContent) {
  struct Case {
    const char* why;
    const char* file;
    std::string content;
  };
  const std::string many = std::string(kKey) + "\n";
  const Case cases[] = {
      {"no URL", "url", ""},
      {"blank URL", "url", " \n"},
      {"plain http to others", "url", "http://hooks.s3cret.example/"},
      {"no URL at all", "url", "s3cret"},
      {"two lines", "url", "https://a.example/s3cret\nhttps://b.example/"},
      {"no key", "key", "\n\n"},
      {"a short key", "key", "s3cret"},
      {"one short key of two", "key", many + "s3cret"},
      {"too many keys", "key", many + many + many + many + many},
      {"a large key file", "key", std::string(64 * 1024 + 1, 'k')},
      {"an empty authority", "ca.crt", "\n"},
  };
  for (const Case& c : cases) {
    const SecretDirectory secret;
    secret.Write("url", "https://hooks.example.com/");
    secret.Write("key", kKey);
    secret.Write(c.file, c.content);
    const auto target = ReadWebhookTarget(secret.path(), false);
    ASSERT_FALSE(target.ok()) << c.why;
    const std::string message = target.status().message();
    EXPECT_TRUE(message.starts_with(std::string("webhook's ") + c.file)) << c.why << message;
    EXPECT_EQ(message.find("s3cret"), std::string::npos) << message;
    EXPECT_EQ(message.find(kKey), std::string::npos) << message;
  }
}

TEST(WebhookFiles, AMissingSecretIsNamed) {
  const SecretDirectory secret;
  EXPECT_EQ(ReadWebhookTarget(secret.path(), false).status().message(),
            "webhook's url: the file cannot be read");
  secret.Write("url", "https://hooks.example.com/");
  EXPECT_EQ(ReadWebhookTarget(secret.path(), false).status().message(),
            "webhook's key: the file cannot be read");
}

TEST(WebhookFiles, PlainHttpOnlyToThisMachineOrOnDemand) {
  const SecretDirectory secret;
  secret.Write("key", kKey);
  secret.Write("url", "http://127.0.0.1:8080/");
  EXPECT_TRUE(ReadWebhookTarget(secret.path(), false).ok());
  secret.Write("url", "http://10.0.0.1/");
  EXPECT_FALSE(ReadWebhookTarget(secret.path(), false).ok());
  EXPECT_TRUE(ReadWebhookTarget(secret.path(), true).ok());
}

std::string NoEnvironment(const std::string&) {
  return "";
}

TEST(WebhookSwitches, AreOffAndCarefulByDefault) {
  const auto parsed = ParseOptions({}, NoEnvironment);
  const WebhookOptions& options = std::get<Options>(parsed).webhook;
  EXPECT_EQ(options.directory, "");
  EXPECT_FALSE(options.text.include_code);
  EXPECT_TRUE(options.outcomes);
  EXPECT_FALSE(options.allow_insecure);
}

TEST(WebhookSwitches, AreTakenFromTheCommandLine) {
  const auto parsed = ParseOptions({"--webhook-config", "/dir", "--webhook-code=true",
                                    "--webhook-outcomes", "false", "--webhook-insecure=true"},
                                   NoEnvironment);
  const WebhookOptions& options = std::get<Options>(parsed).webhook;
  EXPECT_EQ(options.directory, "/dir");
  EXPECT_TRUE(options.text.include_code);
  EXPECT_FALSE(options.outcomes);
  EXPECT_TRUE(options.allow_insecure);
  for (const char* wrong : {"--webhook-code=yes", "--webhook-code=", "--webhook-insecure=1"}) {
    const auto refused = ParseOptions({wrong}, NoEnvironment);
    ASSERT_TRUE(std::holds_alternative<std::string>(refused)) << wrong;
    EXPECT_NE(std::get<std::string>(refused).find("must be true or false"), std::string::npos);
  }
}

TEST(WebhookMetrics, Text) {
  Metrics metrics;
  metrics.CountWebhook("approval.pending", "delivered");
  metrics.CountWebhookFailure();
  metrics.SetWebhookDepth(3);
  const std::string text = metrics.Text();
  for (const char* line :
       {"sandgate_webhook_deliveries_total{event=\"approval.pending\",result=\"delivered\"} 1",
        "sandgate_webhook_failed_attempts_total 1", "sandgate_webhook_queue_depth 3"}) {
    EXPECT_NE(text.find(line), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace sandgate::op
