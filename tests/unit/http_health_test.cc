#include <gtest/gtest.h>

#include "libs/http/health_server.h"
#include "tests/unit/http_test_util.h"

namespace sandgate::http {
namespace {

TEST(HttpAddress, OnlyAddressAndPort) {
  struct Case {
    const char* text;
    const char* host;  // nullptr: refused
    uint16_t port;
  };
  const Case cases[] = {
      {"0.0.0.0:8081", "0.0.0.0", 8081},
      {"[::1]:80", "::1", 80},
      {":::9", "::", 9},
      {"127.0.0.1:0", "127.0.0.1", 0},
      {"8081", nullptr, 0},
      {":8081", nullptr, 0},
      {"0.0.0.0:", nullptr, 0},
      {"0.0.0.0:x", nullptr, 0},
      {"0.0.0.0:80x", nullptr, 0},
      {"0.0.0.0:65536", nullptr, 0},
      {"0.0.0.0:-1", nullptr, 0},
      {"", nullptr, 0},
      {"[]:80", nullptr, 0},
  };
  for (const Case& c : cases) {
    const auto address = ParseAddress(c.text);
    ASSERT_EQ(address.has_value(), c.host != nullptr) << c.text;
    if (!address) continue;
    EXPECT_EQ(address->host, c.host) << c.text;
    EXPECT_EQ(address->port, c.port) << c.text;
  }
}

TEST(HttpHealth, ThreePagesAndNoMore) {
  std::atomic<bool> ready = false;
  auto server = ServeHealth({"127.0.0.1", 0}, {[&] { return ready.load(); }, "not yet",
                                               [] { return std::string("sandgate_up 1\n"); }});
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  const auto ask = [&](const std::string& line) {
    RawClient client((*server)->port());
    client.Send(line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return client.ReceiveAll();
  };
  EXPECT_TRUE(ask("GET /healthz").starts_with("HTTP/1.1 200"));
  const std::string unready = ask("GET /readyz");
  EXPECT_TRUE(unready.starts_with("HTTP/1.1 503")) << unready;
  EXPECT_TRUE(unready.ends_with("\r\n\r\nnot yet\n")) << unready;
  ready = true;
  EXPECT_TRUE(ask("GET /readyz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(ask("GET /metrics").ends_with("\r\n\r\nsandgate_up 1\n"));
  EXPECT_TRUE(ask("GET /metrics/x").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(ask("DELETE /metrics").starts_with("HTTP/1.1 405"));
}

}  // namespace
}  // namespace sandgate::http
