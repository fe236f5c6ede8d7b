#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/http_server_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;

class HttpsServerTest : public testing::Test {
 protected:
  ServerOptions Options() const {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.server_tls.identity = Identity(ca_, "spiffe://x/server", true, false);
    options.server_tls.client_ca_pem = ca_.certificate_pem();
    return options;
  }

  // "" when the handshake or the request is refused.
  std::string AskAs(uint16_t port, const TlsIdentity& identity, int version = TLS1_3_VERSION) {
    RawClient client(port);
    if (!client.StartTls(ca_.certificate_pem(), identity, version)) return "";
    client.Send(kGetClose);
    return client.ReceiveAll();
  }

  const CertificateAuthority ca_ = NewAuthority();
};

TEST_F(HttpsServerTest, TellsWhoAsks) {
  Inbox<Peer> peers;
  const auto server = StartServer(Options(), [&](Request request, Responder responder) {
    peers.Put(request.peer);
    responder.Send(Text("ok"));
  });
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::string answer =
        AskAs(server->port(), Identity(ca_, kOperatorUri, false, true), version);
    EXPECT_TRUE(answer.ends_with("ok")) << version << answer;
    const Peer peer = peers.Get();
    EXPECT_TRUE(peer.verified);
    EXPECT_EQ(peer.uris, std::vector<std::string>{kOperatorUri});
    EXPECT_TRUE(peer.address.starts_with("127.0.0.1:"));
  }
}

TEST_F(HttpsServerTest, WrongClientsAreRefused) {
  const CertificateAuthority other = NewAuthority();
  const base::Time now = base::RealClock().Now();
  struct Case {
    const char* why;
    TlsIdentity identity;
  };
  const Case cases[] = {
      {"no certificate", {}},
      {"another authority of the same name", Identity(other, kOperatorUri, false, true)},
      {"expired", Identity(ca_, kOperatorUri, false, true, now - std::chrono::hours(2),
                           std::chrono::hours(1))},
      {"not yet valid", Identity(ca_, kOperatorUri, false, true, now + std::chrono::minutes(30))},
      {"a server's certificate", Identity(ca_, kOperatorUri, true, false)},
  };
  std::atomic<int> handled = 0;
  const auto server = StartServer(Options(), [&](Request, Responder responder) {
    ++handled;
    responder.Send(Text("ok"));
  });
  for (const Case& c : cases) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      EXPECT_EQ(AskAs(server->port(), c.identity, version), "") << c.why;
    }
  }
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpsServerTest, OldTlsIsRefused) {
  const auto server = StartServer(Options(), Echo);
  EXPECT_EQ(AskAs(server->port(), Identity(ca_, kOperatorUri, false, true), TLS1_1_VERSION), "");
}

TEST_F(HttpsServerTest, AlpnIsHttp11) {
  const auto server = StartServer(Options(), Echo);
  const TlsIdentity identity = Identity(ca_, kOperatorUri, false, true);
  RawClient both(server->port());
  ASSERT_TRUE(both.StartTls(ca_.certificate_pem(), identity, TLS1_3_VERSION, "\x02h2\x08http/1.1"));
  EXPECT_EQ(both.alpn(), "http/1.1");
  RawClient only_h2(server->port());
  EXPECT_FALSE(only_h2.StartTls(ca_.certificate_pem(), identity, TLS1_3_VERSION, "\x02h2"));
}

TEST_F(HttpsServerTest, WithoutAClientAuthorityNobodyIsVerified) {
  ServerOptions options = Options();
  options.server_tls.client_ca_pem.clear();
  Inbox<Peer> peers;
  const auto server = StartServer(options, [&](Request request, Responder responder) {
    peers.Put(request.peer);
    responder.Send(Text("ok"));
  });
  EXPECT_TRUE(AskAs(server->port(), Identity(ca_, kOperatorUri, false, true)).ends_with("ok"));
  const Peer peer = peers.Get();
  EXPECT_FALSE(peer.verified);
  EXPECT_TRUE(peer.uris.empty());
}

TEST_F(HttpsServerTest, AHandshakeThatStallsIsClosed) {
  ServerOptions options = Options();
  options.handshake_timeout = milliseconds(100);
  const auto server = StartServer(options, Echo);
  EXPECT_EQ(Ask(server->port(), ""), "");
  EXPECT_EQ(Ask(server->port(), "\x16\x03\x01").find("HTTP"), std::string::npos);
  EXPECT_EQ(Ask(server->port(), kGet).find("HTTP"), std::string::npos) << "plain HTTP on TLS";
}

TEST_F(HttpsServerTest, LargeBodiesBothWays) {
  ServerOptions options = Options();
  options.max_body_bytes = 4 * 1024 * 1024;
  const auto server = StartServer(options, [](Request request, Responder responder) {
    responder.Send(Text(request.body + request.body));
  });
  RawClient client(server->port());
  ASSERT_TRUE(client.StartTls(ca_.certificate_pem(), Identity(ca_, kOperatorUri, false, true)));
  std::string body(3 * 1024 * 1024, 'x');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + body));
  const std::string answer = client.ReceiveAll();
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body + body)) << answer.size();
}

TEST_F(HttpsServerTest, OnClosedThroughTls) {
  Inbox<Responder> waiting;
  Inbox<int> closed;
  const auto server = StartServer(Options(), [&](Request, Responder responder) {
    responder.OnClosed([&] { closed.Put(1); });
    waiting.Put(std::move(responder));
  });
  RawClient client(server->port());
  ASSERT_TRUE(client.StartTls(ca_.certificate_pem(), Identity(ca_, kOperatorUri, false, true)));
  client.Send(kGet);
  const Responder responder = waiting.Get();
  client.Close();
  EXPECT_EQ(closed.Get(), 1);
}

TEST_F(HttpsServerTest, ReloadChangesNewConnectionsOnly) {
  const auto server = StartServer(Options(), Echo);
  const TlsIdentity old_client = Identity(ca_, kOperatorUri, false, true);
  RawClient open(server->port());
  ASSERT_TRUE(open.StartTls(ca_.certificate_pem(), old_client));

  const CertificateAuthority fresh = NewAuthority("fresh authority");
  ServerTls tls;
  tls.identity = Identity(fresh, "spiffe://x/server", true, false);
  tls.client_ca_pem = fresh.certificate_pem();
  ASSERT_TRUE(server->ReloadTls(tls).ok());
  EXPECT_EQ(AskAs(server->port(), old_client), "");
  open.Send(kGetClose);
  EXPECT_TRUE(open.ReceiveAll().starts_with("HTTP/1.1 200"));
  RawClient renewed(server->port());
  EXPECT_TRUE(
      renewed.StartTls(fresh.certificate_pem(), Identity(fresh, kOperatorUri, false, true)));

  tls.identity.key_pem = "nonsense";
  EXPECT_EQ(server->ReloadTls(tls).code(), Code::kInvalidArgument);
  RawClient still(server->port());
  EXPECT_TRUE(still.StartTls(fresh.certificate_pem(), Identity(fresh, kOperatorUri, false, true)));
}

}  // namespace
}  // namespace sandgate::http
