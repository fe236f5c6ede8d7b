// The pure parts of a run's network, and the probe.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <future>

#include "runner/network_logic.h"
#include "runner/prober.h"
#include "runner/relay_logic.h"
#include "runner/socket_address.h"

namespace sandgate::runner {
namespace {

using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kPem[] = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

api::RunNetwork Network() {
  return {"10.96.0.7:8443", "sgeg1.0123.abc-_.DEF", {"example.com", "*.example.org"}, kPem};
}

TEST(SocketAddress, IsAnAddressAndAPort) {
  for (const char* good : {"127.0.0.1:1", "10.96.0.7:65535", "[::1]:443", "[2001:db8::7]:8443"}) {
    EXPECT_TRUE(SocketAddress::Parse(good)) << good;
  }
  for (const char* bad :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:8443x",
        "127.0.0.1: 1", "127.1:1", "0x7f000001:1", "2130706433:1", "localhost:1", "proxy.test:8443",
        "[fe80::1%eth0]:1", "[::1]", "[]:1", "[127.0.0.1:1", " 127.0.0.1:1", "127.0.0.1:-1"}) {
    EXPECT_FALSE(SocketAddress::Parse(bad)) << bad;
  }
  EXPECT_EQ(SocketAddress::Parse("127.0.0.1:1")->family(), AF_INET);
  EXPECT_EQ(SocketAddress::Parse("[::1]:1")->family(), AF_INET6);
}

TEST(Network, WhatIsGoodIsTaken) {
  EXPECT_TRUE(CheckNetwork(Network()).ok());
  api::RunNetwork plain = Network();
  plain.ca_bundle.clear();
  EXPECT_TRUE(CheckNetwork(plain).ok());
}

TEST(Network, WhatWouldBreakOutOfItsPlaceIsRefused) {
  const struct {
    const char* field;
    void (*spoil)(api::RunNetwork*);
  } rows[] = {
      {"network.proxy: ", [](api::RunNetwork* n) { n->proxy = "egress.test:8443"; }},
      {"network.proxy: ", [](api::RunNetwork* n) { n->proxy = "10.96.0.7"; }},
      {"network.grant: ", [](api::RunNetwork* n) { n->grant = ""; }},
      // Another header, or the end of the head.
      {"network.grant: ", [](api::RunNetwork* n) { n->grant = "a\r\nHost: evil"; }},
      {"network.grant: ", [](api::RunNetwork* n) { n->grant = "a b"; }},
      {"network.grant: ", [](api::RunNetwork* n) { n->grant = std::string("a\0b", 3); }},
      // Another line of /etc/hosts, or another name in it.
      {"network.domains: ", [](api::RunNetwork* n) { n->domains = {"a.test\n10.0.0.1 b.test"}; }},
      {"network.domains: ", [](api::RunNetwork* n) { n->domains = {"a.test b.test"}; }},
      {"network.domains: ",
       [](api::RunNetwork* n) {
         n->domains = {"a.test", "#b.test"};
       }},
      {"network.domains: ", [](api::RunNetwork* n) { n->domains = {"A.test"}; }},
      {"network.domains: ", [](api::RunNetwork* n) { n->domains = {"localhost"}; }},
      {"network.domains: ", [](api::RunNetwork* n) { n->domains = {"127.0.0.1"}; }},
      {"network.caBundle: ", [](api::RunNetwork* n) { n->ca_bundle = "no PEM"; }},
      {"network.caBundle: ", [](api::RunNetwork* n) { n->ca_bundle += '\0'; }},
  };
  for (const auto& row : rows) {
    api::RunNetwork network = Network();
    row.spoil(&network);
    const base::Status status = CheckNetwork(network);
    EXPECT_EQ(status.code(), base::Code::kInvalidArgument);
    EXPECT_THAT(status.message(), StartsWith(row.field));
    // A grant is a secret, a bad one too.
    EXPECT_THAT(status.message(), Not(HasSubstr("evil")));
  }
}

TEST(Network, HostsAreTheNamesWithoutWildcards) {
  EXPECT_EQ(HostsText({"a.test", "*.b.test", "c.d.test"}, "sgsb-box"),
            "127.0.0.1 localhost\n"
            "::1 localhost ip6-localhost ip6-loopback\n"
            "127.0.0.1 sgsb-box\n"
            "127.0.0.1 a.test\n"
            "127.0.0.1 c.d.test\n");
  for (const char* name : {"", "a b", "a\nb", "a.b", "#", "-"}) {
    EXPECT_EQ(HostsText({}, name), HostsText({}, "")) << name;
  }
}

TEST(Network, TheImageKeepsItsAuthoritiesWithoutOthers) {
  const auto without = NetworkEnvironment({false, true});
  EXPECT_THAT(without, Contains("https_proxy=http://127.0.0.1:3128"));
  EXPECT_THAT(without, Contains("ALL_PROXY=http://127.0.0.1:3128"));
  EXPECT_THAT(without, Contains("no_proxy=localhost,127.0.0.1,::1"));
  EXPECT_THAT(without, Not(Contains(HasSubstr("/run/network"))));
  const auto with = NetworkEnvironment({true, true});
  for (const char* name :
       {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"}) {
    EXPECT_THAT(with, Contains(std::string(name) + "=/run/network/authorities.pem"));
  }
  EXPECT_THAT(with, Contains("npm_config_cafile=/run/network/authorities.pem"));
  EXPECT_THAT(with, Contains("NODE_EXTRA_CA_CERTS=/run/network/extra-authorities.pem"));
  // npm's built-in authorities are better than ours alone.
  EXPECT_THAT(NetworkEnvironment({true, false}), Not(Contains(HasSubstr("npm_config_cafile"))));
}

TEST(Network, TheSpecKnowsNeitherGrantNorProxy) {
  RunSpec spec = SpecFor(api::Language::kShell, "true", 1 << 20, 0, "/w");
  const std::string before = Encode(spec);
  AddNetwork(Network(), "box", true, &spec);
  const std::string text = Encode(spec);
  EXPECT_THAT(text, Not(HasSubstr(Network().grant)));
  EXPECT_THAT(text, Not(HasSubstr("10.96.0.7")));
  const auto decoded = Decode(text);
  ASSERT_TRUE(decoded && decoded->network);
  EXPECT_EQ(decoded->network->hosts, HostsText({"example.com"}, "box"));
  EXPECT_EQ(decoded->network->authorities, kPem);
  EXPECT_EQ(decoded->environment, spec.environment);
  EXPECT_EQ(decoded->argv, spec.argv);
  const auto plain = Decode(before);
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->network);
  EXPECT_TRUE(plain->environment.empty());
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(Decode(text.substr(0, size)));
}

TEST(Relay, TheGrantStandsBehindTheFirstLine) {
  const struct {
    const char *said, *sent;
  } rows[] = {
      {"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
       "CONNECT a.test:443 HTTP/1.1\r\nSandgate-Grant: T\r\nHost: a.test:443\r\n\r\n"},
      {"CONNECT a.test:443 HTTP/1.0\r\n", "CONNECT a.test:443 HTTP/1.0\r\nSandgate-Grant: T\r\n"},
      // What is wrong already stays for the proxy to refuse.
      {"\n", "\nSandgate-Grant: T\r\n"},
      {"GET /\n folded\r\n\r\n", "GET /\nSandgate-Grant: T\r\n folded\r\n\r\n"},
  };
  for (const auto& row : rows) {
    const auto line = FirstLineBytes(row.said);
    ASSERT_TRUE(line) << row.said;
    EXPECT_EQ(WithGrant(row.said, *line, "T"), row.sent);
  }
  EXPECT_FALSE(FirstLineBytes(""));
  EXPECT_FALSE(FirstLineBytes("CONNECT a.test:443 HTTP/1.1\r"));
  EXPECT_EQ(FirstLineBytes("a\nb\n"), 2u);
}

TEST(Relay, AnAnswerIsReadToItsEmptyLine) {
  const std::string open = "HTTP/1.1 200 Connection established\r\n\r\n";
  for (size_t size = 0; size < open.size(); ++size) {
    EXPECT_FALSE(ReadAnswerHead(open.substr(0, size)));
  }
  const auto head = ReadAnswerHead(open + "\x16");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->bytes, open.size());
  EXPECT_EQ(head->status, 200u);
  EXPECT_EQ(ReadAnswerHead("HTTP/1.1 403 GrantExpired\r\nX: y\r\n\r\n")->status, 403u);
  EXPECT_EQ(ReadAnswerHead("HTTP/1.1 503 Shutdown\r\n\r\n")->status, 503u);
  for (const char* none :
       {"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 -20 OK\r\n\r\n", "HTTP/1.1 \r\n\r\n", "\r\n\r\n"}) {
    ASSERT_TRUE(ReadAnswerHead(none));
    EXPECT_EQ(ReadAnswerHead(none)->status, 0u) << none;
  }
}

// A listener on loopback whose queue takes `backlog` connections, one more than it says.
struct Listener {
  explicit Listener(int backlog) : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd.get(), backlog), 0);
    EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    at = *SocketAddress::Parse("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  }
  base::Fd fd;
  SocketAddress at = *SocketAddress::Parse("127.0.0.1:1");
};

constexpr milliseconds kLong{60'000};

TEST(Probe, SaysWhatBecameOfIt) {
  const SocketAddress nobody = Listener(8).at;  // closed again
  EXPECT_EQ(ProbeOnce(nobody, kLong, -1), api::ProbeOutcome::kRefused);
  const Listener open(8);
  EXPECT_EQ(ProbeOnce(open.at, kLong, -1), api::ProbeOutcome::kConnected);
  // The broadcast address takes no connections anywhere.
  EXPECT_EQ(ProbeOnce(*SocketAddress::Parse("255.255.255.255:1"), kLong, -1),
            api::ProbeOutcome::kUnreachable);
}

TEST(Probe, TimesOut) {
  const Listener full(0);
  ASSERT_EQ(ProbeOnce(full.at, kLong, -1), api::ProbeOutcome::kConnected);
  // The queue holds one; a second may still fit, a third never.
  ProbeOnce(full.at, milliseconds(200), -1);
  EXPECT_EQ(ProbeOnce(full.at, milliseconds(50), -1), api::ProbeOutcome::kTimedOut);
}

TEST(Probe, OneAtATimeAndItsEndIsToldToWhoAsked) {
  const Listener full(0);
  ProbeOnce(full.at, kLong, -1);
  ProbeOnce(full.at, milliseconds(200), -1);
  std::promise<api::ProbeOutcome> outcome;
  {
    Prober prober;
    EXPECT_TRUE(
        prober.Start(full.at, kLong, [&outcome](api::ProbeOutcome o) { outcome.set_value(o); }));
    EXPECT_FALSE(prober.Start(full.at, kLong, [](api::ProbeOutcome) { FAIL(); }));
  }
  EXPECT_EQ(outcome.get_future().get(), api::ProbeOutcome::kTimedOut);
}

TEST(Probe, TheNextMayStartOnceOneIsAnswered) {
  const Listener open(8);
  Prober prober;
  for (int i = 0; i < 3; ++i) {
    std::promise<api::ProbeOutcome> outcome;
    ASSERT_TRUE(
        prober.Start(open.at, kLong, [&outcome](api::ProbeOutcome o) { outcome.set_value(o); }));
    EXPECT_EQ(outcome.get_future().get(), api::ProbeOutcome::kConnected);
  }
}

}  // namespace
}  // namespace sandgate::runner
