// Whom we believe, and what we show to whom.
#include <filesystem>
#include <fstream>

#include "libs/base/clock.h"
#include "libs/http/tls.h"
#include "libs/rest/token_source.h"
#include "tests/unit/rest_test_util.h"

namespace sandgate::rest {
namespace {

using base::Code;
using testing::HttpAnswer;
using testing::RawPeer;
using testing::RawServer;
using testing::RawTls;

http::CertificateAuthority Authority(const std::string& name) {
  return *http::CertificateAuthority::Create(name, std::chrono::hours(1), base::RealClock().Now());
}

RawTls ServerCertificate(const http::CertificateAuthority& authority, const std::string& ip) {
  http::CertificateRequest request;
  request.common_name = "server";
  request.ip_addresses = {ip};
  request.server = true;
  const http::TlsIdentity identity = *authority.Issue(request, base::RealClock().Now());
  return {identity.certificate_pem, identity.key_pem};
}

// Says whether the client showed a certificate.
void Greet(RawPeer& peer) {
  while (!peer.ReadRequest().empty()) {
    peer.Write(HttpAnswer(200, peer.HasClientCertificate() ? "certificate" : "nothing"));
  }
}

struct RestTls : ::testing::Test {
  http::CertificateAuthority authority = Authority("cluster");
  RawTls certificate = ServerCertificate(authority, "127.0.0.1");

  Config Trusting(const http::CertificateAuthority& ca) const {
    Config config;
    config.ca_pem = ca.certificate_pem();
    return config;
  }
};

TEST_F(RestTls, TheGivenAuthorityIsBelieved) {
  RawServer server(Greet, &certificate);
  const auto response = TransportTo(server, Trusting(authority))->Do(Get("/"));
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->body, "nothing");
}

TEST_F(RestTls, NobodyElseIs) {
  RawServer server(Greet, &certificate);
  // Not even when the machine trusts it: the library loads the system's authorities by itself.
  std::string path = (std::filesystem::temp_directory_path() / "rest-ca-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << authority.certificate_pem();
  ::setenv("SSL_CERT_FILE", path.c_str(), 1);
  const auto response = TransportTo(server, Trusting(Authority("other")))->Do(Get("/"));
  ::unsetenv("SSL_CERT_FILE");
  std::filesystem::remove(path);
  EXPECT_EQ(response.status().code(), Code::kUnavailable) << response.status().ToString();
}

TEST_F(RestTls, TheCertificateMustNameTheAddress) {
  const RawTls other = ServerCertificate(authority, "127.0.0.2");
  RawServer server(Greet, &other);
  const auto response = TransportTo(server, Trusting(authority))->Do(Get("/"));
  EXPECT_EQ(response.status().code(), Code::kUnavailable) << response.status().ToString();
}

TEST_F(RestTls, OldVersionsAreRefused) {
  certificate.max_version = TLS1_1_VERSION;
  RawServer old(Greet, &certificate);
  EXPECT_EQ(TransportTo(old, Trusting(authority))->Do(Get("/")).status().code(),
            Code::kUnavailable);
  certificate.max_version = TLS1_2_VERSION;
  RawServer good(Greet, &certificate);
  EXPECT_TRUE(TransportTo(good, Trusting(authority))->Do(Get("/")).ok());
}

// The API server believes a client certificate before it looks at a token: a caller's token beside
// our certificate would make every caller us.
TEST_F(RestTls, ACallersTokenNeverTravelsWithOurCertificate) {
  RawServer server(Greet, &certificate);
  http::CertificateRequest request;
  request.common_name = "admin";
  request.client = true;
  const http::TlsIdentity admin = *authority.Issue(request, base::RealClock().Now());
  Config config = Trusting(authority);
  config.client_certificate_pem = admin.certificate_pem;
  config.client_key_pem = admin.key_pem;
  const auto transport = TransportTo(server, config);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(transport->Do(Get("/"))->body, "certificate");
    Request callers = Get("/");
    callers.bearer_token = "callers";
    EXPECT_EQ(transport->Do(callers)->body, "nothing");
  }
}

TEST_F(RestTls, PlainHttpIsForLoopbackAlone) {
  for (const char* url : {"http://10.96.0.1:443", "http://localhost:1", "ftp://127.0.0.1:1", "",
                          "http://127.0.0.1.example.com:1", "https://[", "https://a b", "https://",
                          "https://a:0x1", "https://u@h:1", "https://h:1?x", "https://[::1]:1"}) {
    Config config = Trusting(authority);
    config.base_url = url;
    EXPECT_EQ(CreateTransport(config).status().code(), Code::kInvalidArgument) << url;
  }
}

TEST_F(RestTls, BrokenCredentialsAreNamed) {
  http::CertificateRequest request;
  request.common_name = "admin";
  request.client = true;
  const auto now = base::RealClock().Now();
  const http::TlsIdentity one = *authority.Issue(request, now);
  const http::TlsIdentity two = *authority.Issue(request, now);
  const struct {
    std::string ca, certificate, key, expected;
  } bad[] = {
      {"", "", "", "CA"},
      {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", "", "CA"},
      {authority.certificate_pem(), "x", one.key_pem, "client certificate"},
      {authority.certificate_pem(), one.certificate_pem, "x", "client key"},
      {authority.certificate_pem(), one.certificate_pem, "", "client key"},
      {authority.certificate_pem(), one.certificate_pem, two.key_pem, "does not belong"},
  };
  for (const auto& row : bad) {
    Config config;
    config.base_url = "https://127.0.0.1:1";
    config.ca_pem = row.ca;
    config.client_certificate_pem = row.certificate;
    config.client_key_pem = row.key;
    const auto status = CreateTransport(config).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find(row.expected), std::string::npos) << status.message();
  }
}

class HandClock final : public base::Clock {
 public:
  base::Time Now() const override { return {}; }
  base::MonotonicTime MonotonicNow() const override { return now; }
  base::MonotonicTime now{std::chrono::hours(1)};
};

TEST(RestToken, TheFileIsReadAtMostOnceAMinute) {
  std::string path = (std::filesystem::temp_directory_path() / "rest-token-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  HandClock clock;
  TokenSource source("", path, clock);
  // Empty, and still empty: no token is never taken for an anonymous caller's.
  EXPECT_EQ(source.Get().status().code(), Code::kUnavailable);
  EXPECT_EQ(source.Get().status().code(), Code::kUnavailable);
  std::ofstream(path) << " one \n";
  EXPECT_EQ(*source.Get(), "one");
  std::ofstream(path) << "two";
  clock.now += std::chrono::seconds(59);
  EXPECT_EQ(*source.Get(), "one");
  clock.now += std::chrono::seconds(1);
  EXPECT_EQ(*source.Get(), "two");
  EXPECT_FALSE(source.Refresh("two"));
  EXPECT_TRUE(source.Refresh("one"));  // somebody else read it already
  // A file that is gone or broken for a while does not take the token away.
  std::ofstream(path) << "a\r\nX: y";
  clock.now += std::chrono::minutes(5);
  EXPECT_EQ(*source.Get(), "two");
  std::filesystem::remove(path);
  clock.now += std::chrono::minutes(5);
  EXPECT_EQ(*source.Get(), "two");
  EXPECT_FALSE(source.Refresh("two"));
}

}  // namespace
}  // namespace sandgate::rest
