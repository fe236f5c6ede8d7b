#include <gtest/gtest.h>

#include <atomic>

#include "libs/http/web_client.h"
#include "tests/unit/http_client_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;

class WebClientTest : public testing::Test {
 protected:
  TlsIdentity ServerIdentity(const CertificateRequest& names) const {
    CertificateRequest request = names;
    request.server = true;
    if (request.common_name.empty()) request.common_name = "test";
    return std::move(ca_.Issue(request, base::RealClock().Now())).value();
  }
  std::unique_ptr<Server> NewServer(const CertificateRequest& names, Handler handler) const {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.server_tls.identity = ServerIdentity(names);
    return std::move(Server::Start(options, std::move(handler))).value();
  }
  std::unique_ptr<WebClient> NewClient() const {
    return std::move(WebClient::Create(ca_.certificate_pem())).value();
  }
  static WebUrl Url(const std::string& scheme_and_host, uint16_t port) {
    return WebUrl::Parse(scheme_and_host + ":" + std::to_string(port) + "/hook?key=x").value();
  }
  static Request Post(const std::string& body) {
    Request request;
    request.method = "POST";
    request.body = body;
    return request;
  }
  void Start(WebClient& client, const WebUrl& url, milliseconds deadline = kPatience,
             size_t max_bytes = 1024) {
    client.Call(url, Post("body"), {deadline, max_bytes},
                [this](Result<Response> result) { results_.Put(std::move(result)); });
  }
  Result<Response> Call(WebClient& client, const WebUrl& url, milliseconds deadline = kPatience,
                        size_t max_bytes = 1024) {
    Start(client, url, deadline, max_bytes);
    return results_.Get();
  }

  const CertificateAuthority ca_ = NewAuthority();
  Inbox<Result<Response>> results_;
};

CertificateRequest ForIp(const std::string& ip) {
  CertificateRequest names;
  names.ip_addresses = {ip};
  return names;
}

TEST_F(WebClientTest, SendsToTheUrlAndNowhereElse) {
  Inbox<Request> seen;
  const auto server = NewServer(ForIp("127.0.0.1"), [&](Request request, Responder responder) {
    seen.Put(request);
    responder.Send(Response{204, {}, ""});
  });
  const auto client = NewClient();
  const auto answer = Call(*client, Url("https://127.0.0.1", server->port()));
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->status, 204u);
  const Request request = seen.Get();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/hook?key=x");
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.HeaderValue("Host"), "127.0.0.1:" + std::to_string(server->port()));
}

TEST_F(WebClientTest, TheCertificateMustNameTheHost) {
  struct Case {
    const char* why;
    std::vector<std::string> dns;
    std::vector<std::string> ips;
    std::string common_name;
    std::string url;
    bool ok;
  };
  const Case cases[] = {
      {"the address", {}, {"127.0.0.1"}, "", "https://127.0.0.1", true},
      {"the name", {"localhost"}, {}, "", "https://localhost", true},
      {"another address", {}, {"127.0.0.2"}, "", "https://127.0.0.1", false},
      {"another name", {"other"}, {}, "", "https://localhost", false},
      {"a name is no address", {"127.0.0.1"}, {}, "", "https://127.0.0.1", false},
      {"an address is no name", {}, {"127.0.0.1"}, "", "https://localhost", false},
      {"the common name alone", {}, {}, "localhost", "https://localhost", false},
      {"a wildcard", {"*"}, {}, "", "https://localhost", false},
      {"a longer name", {"localhost.example"}, {}, "", "https://localhost", false},
  };
  for (const Case& c : cases) {
    std::atomic<int> handled = 0;
    CertificateRequest names;
    names.dns_names = c.dns;
    names.ip_addresses = c.ips;
    names.common_name = c.common_name;
    const auto server = NewServer(names, [&](Request, Responder responder) {
      ++handled;
      responder.Send(Response());
    });
    const auto client = NewClient();
    const auto result = Call(*client, Url(c.url, server->port()));
    EXPECT_EQ(result.ok(), c.ok) << c.why << ": " << result.status().ToString();
    EXPECT_EQ(handled, c.ok ? 1 : 0) << c.why;
    if (!c.ok) {
      EXPECT_EQ(result.status().code(), Code::kUnauthenticated) << c.why;
    }
  }
}

TEST_F(WebClientTest, OnlyTheConfiguredAuthorityCounts) {
  std::atomic<int> handled = 0;
  const auto server = NewServer(ForIp("127.0.0.1"), [&](Request, Responder responder) {
    ++handled;
    responder.Send(Response());
  });
  const auto stranger = NewAuthority("another authority");
  for (const std::string& trusted : {stranger.certificate_pem(), std::string()}) {
    const auto client = WebClient::Create(trusted);
    ASSERT_TRUE(client.ok());
    const auto result = Call(**client, Url("https://127.0.0.1", server->port()));
    EXPECT_EQ(result.status().code(), Code::kUnauthenticated);
  }
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(WebClient::Create("no PEM").status().code(), Code::kInvalidArgument);
}

TEST_F(WebClientTest, ARedirectIsAnAnswer) {
  std::atomic<int> handled = 0;
  std::unique_ptr<Server> server;
  server = NewServer(ForIp("127.0.0.1"), [&](Request, Responder responder) {
    ++handled;
    responder.Send(Response{302, {{"Location", "https://127.0.0.1/elsewhere"}}, ""});
  });
  const auto client = NewClient();
  const auto result = Call(*client, Url("https://127.0.0.1", server->port()));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->status, 302u);
  EXPECT_EQ(handled, 1);
}

TEST_F(WebClientTest, PlainHttpOnlyWhereTheUrlSaysSo) {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.tls = false;
  const auto server = Server::Start(options, [](Request request, Responder r) {
    r.Send(Response{200, {}, request.body});
  });
  ASSERT_TRUE(server.ok());
  const auto client = NewClient();
  // "localhost" may mean ::1 first, where nobody listens: the next address is tried.
  const auto plain = Call(*client, Url("http://localhost", (*server)->port()));
  ASSERT_TRUE(plain.ok()) << plain.status().ToString();
  EXPECT_EQ(plain->body, "body");
  EXPECT_FALSE(Call(*client, Url("https://localhost", (*server)->port())).ok());
}

TEST_F(WebClientTest, BadServers) {
  struct Case {
    const char* why;
    std::string answer;  // "": silence
    milliseconds deadline;
    Code code;
  };
  const Case cases[] = {
      {"silence", "", milliseconds(300), Code::kDeadlineExceeded},
      {"garbage", "220 mail.example ESMTP\r\n\r\n", kPatience, Code::kInternal},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-", milliseconds(300), Code::kDeadlineExceeded},
      {"too large", "HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n", kPatience, Code::kInternal},
      {"endless",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + std::string(0x1000, 'x'),
       kPatience, Code::kInternal},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
       kPatience, Code::kInternal},
      {"switching", "HTTP/1.1 101 Switching Protocols\r\n\r\n", kPatience, Code::kInternal},
  };
  for (const Case& c : cases) {
    ScriptedServer server(ServerIdentity(ForIp("127.0.0.1")));
    const auto client = NewClient();
    Start(*client, Url("https://127.0.0.1", server.port()), c.deadline);
    ASSERT_TRUE(server.Accept()) << c.why;
    server.ReadRequest();
    if (!c.answer.empty()) server.Send(c.answer);
    const auto result = results_.Get();
    EXPECT_EQ(result.status().code(), c.code) << c.why << ": " << result.status().ToString();
    EXPECT_EQ(result.status().message().find("key=x"), std::string::npos) << c.why;
  }
}

TEST_F(WebClientTest, WhoNeverSpeaksTlsWasNeverSentAnything) {
  ScriptedServer server(ServerIdentity(ForIp("127.0.0.1")));
  const auto client = NewClient();
  const auto result =
      Call(*client, Url("https://127.0.0.1", server.port()), milliseconds(300));  // not accepted
  EXPECT_EQ(result.status().code(), Code::kUnavailable);
  server.StopListening();
  EXPECT_EQ(Call(*client, Url("https://127.0.0.1", server.port())).status().code(),
            Code::kUnavailable);
}

TEST_F(WebClientTest, ClosingEndsOpenCalls) {
  ScriptedServer server(ServerIdentity(ForIp("127.0.0.1")));
  auto client = NewClient();
  Start(*client, Url("https://127.0.0.1", server.port()));
  ASSERT_TRUE(server.Accept());
  server.ReadRequest();
  client.reset();
  EXPECT_EQ(results_.Get().status().code(), Code::kCancelled);
}

TEST_F(WebClientTest, CallsAreLimited) {
  ScriptedServer server(ServerIdentity(ForIp("127.0.0.1")));  // accepts nobody
  auto client = NewClient();
  const WebUrl url = Url("https://127.0.0.1", server.port());
  for (size_t i = 0; i < WebClient::kMaxCalls; ++i) Start(*client, url);
  EXPECT_EQ(Call(*client, url).status().code(), Code::kResourceExhausted);
  client.reset();
  for (size_t i = 0; i < WebClient::kMaxCalls; ++i) {
    EXPECT_EQ(results_.Get().status().code(), Code::kCancelled);
  }
}

}  // namespace
}  // namespace sandgate::http
