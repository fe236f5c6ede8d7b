#include <gtest/gtest.h>

#include "libs/http/web_url.h"

namespace sandgate::http {
namespace {

TEST(WebUrl, Reads) {
  struct Case {
    const char* text;
    bool tls;
    const char* host;
    bool is_ip;
    uint16_t port;
    const char* target;
    const char* authority;
  };
  const Case cases[] = {
      {"https://hooks.example.com/services/T0/B0/x", true, "hooks.example.com", false, 443,
       "/services/T0/B0/x", "hooks.example.com"},
      {"HTTPS://Hooks.Example.COM", true, "hooks.example.com", false, 443, "/",
       "hooks.example.com"},
      {"https://a.example:8443?x=1", true, "a.example", false, 8443, "/?x=1", "a.example:8443"},
      {"http://127.0.0.1:9/p", false, "127.0.0.1", true, 9, "/p", "127.0.0.1:9"},
      {"https://[::1]/p?q", true, "::1", true, 443, "/p?q", "[::1]"},
      {"https://[fd00::2]:8443/", true, "fd00::2", true, 8443, "/", "[fd00::2]:8443"},
      {"http://localhost", false, "localhost", false, 80, "/", "localhost"},
      {"https://my_svc.ns.svc:443/", true, "my_svc.ns.svc", false, 443, "/", "my_svc.ns.svc"},
      {"https://a.example/@b:c", true, "a.example", false, 443, "/@b:c", "a.example"},
  };
  for (const Case& c : cases) {
    const auto url = WebUrl::Parse(c.text);
    ASSERT_TRUE(url.ok()) << c.text << ": " << url.status().ToString();
    EXPECT_EQ(url->tls, c.tls) << c.text;
    EXPECT_EQ(url->host, c.host) << c.text;
    EXPECT_EQ(url->is_ip, c.is_ip) << c.text;
    EXPECT_EQ(url->port, c.port) << c.text;
    EXPECT_EQ(url->target, c.target) << c.text;
    EXPECT_EQ(url->Authority(), c.authority) << c.text;
  }
}

TEST(WebUrl, RefusesAndNeverRepeatsTheText) {
  const std::string secret = "s3cr3t";
  const std::string cases[] = {
      "",
      "s3cr3t",
      "//a.example/s3cr3t",
      "ftp://a.example/s3cr3t",
      "https:/a.example/s3cr3t",
      "https:///s3cr3t",
      "https://a.example/s3cr3t#fragment",
      "https://user@a.example/s3cr3t",
      "https://user:s3cr3t@a.example/",
      "https://a.example:0/s3cr3t",
      "https://a.example:65536/s3cr3t",
      "https://a.example:/s3cr3t",
      "https://a.example:443x/s3cr3t",
      "https://a.example\\s3cr3t",
      "https://a.example/s3cr3t\\",
      "https://a.example/s3cr3t\r\nX: y",
      "https://a.example/s3cr3t x",
      "https://a.example/s3cr3t\xc3\xa9",
      "https://\xc3\xa9.example/s3cr3t",
      "https://-a.example/s3cr3t",
      "https://a-.example/s3cr3t",
      "https://a..example/s3cr3t",
      "https://.example/s3cr3t",
      "https://a.example./s3cr3t",
      "https://127.1/s3cr3t",
      "https://2130706433/s3cr3t",
      "https://::1/s3cr3t",
      "https://[::1/s3cr3t",
      "https://[a.example]/s3cr3t",
      "https://[127.0.0.1]/s3cr3t",
      "https://[fe80::1%25eth0]/s3cr3t",
      "https://[::1]x/s3cr3t",
      "https://a.example/s3cr3t" + std::string(WebUrl::kMaxBytes, 'x'),
      "https://" + std::string(64, 'a') + ".example/s3cr3t",
  };
  for (const std::string& text : cases) {
    const auto url = WebUrl::Parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.status().code(), base::Code::kInvalidArgument) << text;
    EXPECT_EQ(url.status().message().find(secret), std::string::npos) << url.status().message();
    EXPECT_EQ(url.status().message().find("example"), std::string::npos) << url.status().message();
  }
}

TEST(WebUrl, KnowsLoopback) {
  for (const char* text : {"http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]/",
                           "http://localhost/", "http://LOCALHOST:8080/"}) {
    EXPECT_TRUE(WebUrl::Parse(text)->IsLoopback()) << text;
  }
  for (const char* text : {"http://10.0.0.1/", "http://[::2]/", "http://localhost.example/",
                           "http://128.0.0.1/", "http://a.example/"}) {
    EXPECT_FALSE(WebUrl::Parse(text)->IsLoopback()) << text;
  }
}

}  // namespace
}  // namespace sandgate::http
