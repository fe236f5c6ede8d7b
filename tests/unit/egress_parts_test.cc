// The pure parts of the proxy that are no parser: counting runs, the order of dialling, options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "egress-proxy/client_hello.h"
#include "egress-proxy/dialer.h"
#include "egress-proxy/options.h"
#include "egress-proxy/run_table.h"

namespace sandgate::egress {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

const base::Time kNow = base::Time(seconds(1'800'000'000));

TEST(EgressRunTable, CountsConnectionsOfEachRun) {
  RunTable table(2);
  auto first = table.Enter("box", "run", 100, kNow + seconds(10), kNow);
  auto second = table.Enter("box", "run", 100, kNow + seconds(10), kNow);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(table.Enter("box", "run", 100, kNow + seconds(10), kNow), nullptr);
  EXPECT_NE(table.Enter("box", "other", 100, kNow + seconds(10), kNow), nullptr);
  EXPECT_NE(table.Enter("other", "run", 100, kNow + seconds(10), kNow), nullptr);
  first.reset();
  EXPECT_NE(table.Enter("box", "run", 100, kNow + seconds(10), kNow), nullptr);
}

TEST(EgressRunTable, BytesCountOverConnections) {
  RunTable table(2);
  auto first = table.Enter("box", "run", 100, kNow + seconds(10), kNow);
  EXPECT_TRUE(first->run().Take(60));
  EXPECT_TRUE(first->run().Take(40));
  EXPECT_TRUE(first->run().exhausted());
  EXPECT_FALSE(first->run().Take(1));
  first.reset();
  auto second = table.Enter("box", "run", 100, kNow + seconds(10), kNow);
  EXPECT_TRUE(second->run().exhausted());
  auto huge = table.Enter("box", "huge", UINT64_MAX, kNow + seconds(10), kNow);
  EXPECT_TRUE(huge->run().Take(uint64_t{1} << 40));
}

TEST(EgressRunTable, ForgetsRunsOnceTheirGrantsHaveExpired) {
  RunTable table(2);
  table.Enter("box", "old", 100, kNow + seconds(10), kNow);
  auto open = table.Enter("box", "open", 100, kNow + seconds(10), kNow);
  EXPECT_EQ(table.runs(), 2u);
  table.Enter("box", "new", 100, kNow + seconds(200), kNow + seconds(100));
  EXPECT_EQ(table.runs(), 2u);  // `open` is expired, but somebody is there
}

IpAddress At(const std::string& text) {
  return *IpAddress::Parse(text);
}

TEST(EgressDialer, FamiliesTakeTurns) {
  EXPECT_THAT(DialOrder({At("192.0.2.1"), At("192.0.2.2"), At("2001:db8::1"), At("192.0.2.3"),
                         At("2001:db8::2")}),
              ElementsAre(At("2001:db8::1"), At("192.0.2.1"), At("2001:db8::2"), At("192.0.2.2"),
                          At("192.0.2.3")));
  EXPECT_THAT(DialOrder({At("192.0.2.1"), At("192.0.2.2")}),
              ElementsAre(At("192.0.2.1"), At("192.0.2.2")));
  EXPECT_THAT(DialOrder({At("2001:db8::1")}), ElementsAre(At("2001:db8::1")));
  EXPECT_THAT(DialOrder({}), ElementsAre());
  std::vector<IpAddress> many;
  for (int i = 1; i < 30; ++i) many.push_back(At("192.0.2." + std::to_string(i)));
  EXPECT_EQ(DialOrder(many).size(), 8u);
}

TEST(EgressHello, JudgesTheServersAnswer) {
  const std::string retry_random(
      "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91"
      "\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C");
  const std::string head("\x16\x03\x03\x00\x58\x02\x00\x00\x54\x03\x03", 11);
  const std::string retry = head + retry_random;
  for (size_t size = 0; size < retry.size(); ++size) {
    EXPECT_EQ(JudgeServerAnswer(retry.substr(0, size)), ServerAnswer::kUnknown) << size;
  }
  EXPECT_EQ(JudgeServerAnswer(retry), ServerAnswer::kRetry);
  EXPECT_EQ(JudgeServerAnswer(head + std::string(32, 'r')), ServerAnswer::kHello);
  EXPECT_EQ(JudgeServerAnswer("\x15"), ServerAnswer::kHello);
  EXPECT_EQ(JudgeServerAnswer(std::string("\x16\x03\x03\x00\x04", 5)), ServerAnswer::kUnclear);
}

TEST(EgressOptions, Reads) {
  const auto parsed = ParseOptions(
      {"--tls-dir=/tls", "--client-ca", "/ca", "--keys-dir", "/keys", "--listen=[::1]:9443",
       "--allowed-private-cidrs", "10.1.0.0/16,fd00::/8", "--cluster-cidrs=10.96.0.0/12",
       "--idle-timeout=7", "--max-connections", "12", "--resolver=10.96.0.10"});
  ASSERT_TRUE(std::holds_alternative<Options>(parsed)) << std::get<std::string>(parsed);
  const Options& options = std::get<Options>(parsed);
  EXPECT_EQ(options.tls_dir, "/tls");
  EXPECT_EQ(options.listen.host, "::1");
  EXPECT_EQ(options.listen.port, 9443);
  EXPECT_EQ(options.allowed_private.size(), 2u);
  EXPECT_EQ(options.cluster.size(), 1u);
  EXPECT_EQ(options.limits.idle, seconds(7));
  EXPECT_EQ(options.limits.max_connections, 12u);
  EXPECT_EQ(options.resolver, "10.96.0.10");
}

}  // namespace
}  // namespace sandgate::egress
