#include <gtest/gtest.h>

#include "egress-proxy/connect_request.h"

namespace sandgate::egress {
namespace {

std::string Head(const std::string& line, const std::string& headers = "") {
  return line + "\r\nSandgate-Grant: T\r\n" + headers + "\r\n";
}

TEST(EgressConnect, WhatARunnerSends) {
  const ConnectRequest request =
      ParseConnectRequest(Head("CONNECT Example.COM.:443 HTTP/1.1", "Host: example.com.:443\r\n"));
  EXPECT_EQ(request.problem, std::nullopt);
  EXPECT_EQ(request.name, "example.com");
  EXPECT_EQ(request.host, "Example.COM.");
  EXPECT_EQ(request.grant, "T");
  EXPECT_FALSE(request.by_sni);
}

TEST(EgressConnect, TheNameMayComeLater) {
  const ConnectRequest request = ParseConnectRequest(BySniRequest("T"));
  EXPECT_EQ(request.problem, std::nullopt);
  EXPECT_TRUE(request.by_sni);
  EXPECT_EQ(request.name, "");
  EXPECT_EQ(request.grant, "T");
}

TEST(EgressConnect, HostMayBeTheNameAlone) {
  for (const char* host : {"Host: example.com\r\n", "host:EXAMPLE.com:443\r\n"}) {
    EXPECT_EQ(ParseConnectRequest(Head("CONNECT example.com:443 HTTP/1.1", host)).problem,
              std::nullopt)
        << host;
  }
  EXPECT_EQ(ParseConnectRequest(Head("CONNECT example.com:443 HTTP/1.0")).problem, std::nullopt);
}

TEST(EgressConnect, OtherHeadersDoNoHarm) {
  const char* const headers =
      "Host: example.com:443\r\nUser-Agent: curl/8\r\nProxy-Connection: Keep-Alive\r\nX:\t a b "
      "\r\n";
  EXPECT_EQ(ParseConnectRequest(Head("CONNECT example.com:443 HTTP/1.1", headers)).problem,
            std::nullopt);
}

// The bypass table proper stands in tests/egress, against the real program; here is what depends
// on exact bytes.
TEST(EgressConnect, FindsTheEndOfAHead) {
  EXPECT_EQ(HeadBytes(""), std::string::npos);
  EXPECT_EQ(HeadBytes("A\r\n\r"), std::string::npos);
  EXPECT_EQ(HeadBytes("A\r\n\r\nB"), 5u);
  EXPECT_EQ(HeadBytes("A\n\nB"), std::string::npos);
}

TEST(EgressConnect, EveryCutOfAHeadIsRefused) {
  const std::string head = Head("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443\r\n");
  for (size_t size = 0; size < head.size(); ++size) {
    EXPECT_NE(ParseConnectRequest(head.substr(0, size)).problem, std::nullopt) << size;
  }
}

TEST(EgressConnect, NoControlCharacterPassesAnywhere) {
  const std::string head = Head("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443\r\n");
  for (size_t at = 0; at < head.size(); ++at) {
    for (const char c : {'\0', '\r', '\n', '\x1b', '\x7f', '\xff'}) {
      std::string spoilt = head;
      spoilt.insert(at, 1, c);
      EXPECT_NE(ParseConnectRequest(spoilt).problem, std::nullopt) << at << " " << int{c};
    }
  }
}

TEST(EgressConnect, LongHostsAreCutForTheLog) {
  const ConnectRequest request =
      ParseConnectRequest(Head("CONNECT " + std::string(900, 'a') + ".com:443 HTTP/1.1"));
  EXPECT_LE(request.host.size(), 253u);
  EXPECT_NE(request.problem, std::nullopt);
}

}  // namespace
}  // namespace sandgate::egress
