#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/http_client_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;

TEST_F(HttpClientTest, AnyStatusIsAResult) {
  const auto server = NewServer(EchoHandler());
  const auto client = NewClient();
  const Result<Response> posted = Call(*client, server->port(), Post("body"));
  ASSERT_TRUE(posted.ok()) << posted.status().ToString();
  EXPECT_EQ(posted->status, 200u);
  EXPECT_EQ(posted->body, "body");
  EXPECT_EQ(posted->HeaderValue("x-method"), "POST");
  EXPECT_EQ(posted->HeaderValue("x-peer"), kOperatorUri);
  const Result<Response> teapot = Call(*client, server->port(), Get("/teapot"));
  ASSERT_TRUE(teapot.ok());
  EXPECT_EQ(teapot->status, 418u);
}

TEST_F(HttpClientTest, KeepsItsConnection) {
  Inbox<std::string> peers;
  const auto server = NewServer([&](Request request, Responder responder) {
    peers.Put(request.peer.address);
    responder.Send(Response());
  });
  const auto client = NewClient();
  ASSERT_TRUE(Call(*client, server->port(), Get()).ok());
  const std::string first = peers.Get();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Call(*client, server->port(), Get()).ok());
    EXPECT_EQ(peers.Get(), first);
  }
}

TEST_F(HttpClientTest, OnlyTheNameCounts) {
  struct Case {
    const char* why;
    std::string server_uri;
    std::string expected;
    bool ok;
  };
  const Case cases[] = {
      {"the right one", SandboxUri("a"), SandboxUri("a"), true},
      {"another sandbox", SandboxUri("b"), SandboxUri("a"), false},
      {"a prefix", SandboxUri("a"), SandboxUri("ab"), false},
      {"a longer one", SandboxUri("ab"), SandboxUri("a"), false},
      {"another case", SandboxUri("A"), SandboxUri("a"), false},
      {"the operator", kOperatorUri, SandboxUri("a"), false},
  };
  for (const Case& c : cases) {
    std::atomic<int> handled = 0;
    const auto server = NewServer(
        [&](Request, Responder responder) {
          ++handled;
          responder.Send(Response());
        },
        c.server_uri);
    const auto client = NewClient();
    const Result<Response> result = Call(*client, server->port(), Get(), To(c.expected));
    EXPECT_EQ(result.ok(), c.ok) << c.why;
    EXPECT_EQ(handled, c.ok ? 1 : 0) << c.why;
    if (!c.ok) {
      EXPECT_EQ(result.status().code(), Code::kUnauthenticated) << c.why;
    }
  }
}

TEST_F(HttpClientTest, AConnectionIsNeverReusedForAnotherName) {
  // The pod's address went to another sandbox: a kept connection to the old one must not serve.
  const auto server = NewServer(EchoHandler());
  const auto client = NewClient();
  ASSERT_TRUE(Call(*client, server->port(), Get()).ok());
  const Result<Response> result = Call(*client, server->port(), Get(), To(SandboxUri("uid-2")));
  EXPECT_EQ(result.status().code(), Code::kUnauthenticated);
}

TEST_F(HttpClientTest, ServersWithoutTheRightCertificateAreRefused) {
  const CertificateAuthority other = NewAuthority();
  const base::Time now = base::RealClock().Now();
  struct Case {
    const char* why;
    TlsIdentity identity;
  };
  const Case cases[] = {
      {"another authority", Identity(other, SandboxUri(kUid), true, false)},
      {"expired", Identity(ca_, SandboxUri(kUid), true, false, now - std::chrono::hours(2))},
      {"a client's certificate", Identity(ca_, SandboxUri(kUid), false, true)},
  };
  for (const Case& c : cases) {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.server_tls.identity = c.identity;
    const auto server = std::move(Server::Start(options, EchoHandler())).value();
    const auto client = NewClient();
    EXPECT_EQ(Call(*client, server->port(), Get()).status().code(), Code::kUnauthenticated)
        << c.why;
  }
}

TEST_F(HttpClientTest, AServerThatRefusesOurCertificate) {
  const CertificateAuthority other = NewAuthority();
  const auto server = NewServer(EchoHandler());
  ClientOptions options = Options();
  options.identity = Identity(other, kOperatorUri, false, true);
  const auto client = NewClient(options);
  EXPECT_EQ(Call(*client, server->port(), Get()).status().code(), Code::kUnauthenticated);
  options.identity = {};
  const auto anonymous = NewClient(options);
  EXPECT_EQ(Call(*anonymous, server->port(), Post("x")).status().code(), Code::kUnauthenticated);
}

TEST_F(HttpClientTest, NeverSentIsUnavailable) {
  uint16_t closed_port = 0;
  {
    const auto server = NewServer(EchoHandler());
    closed_port = server->port();
  }
  const auto client = NewClient();
  EXPECT_EQ(Call(*client, closed_port, Post("x")).status().code(), Code::kUnavailable);
}

TEST_F(HttpClientTest, AHandshakeThatStallsWasNeverSent) {
  ScriptedServer server(ca_, SandboxUri(kUid));  // listens, and never answers
  const auto client = NewClient();
  CallOptions options = To();
  options.deadline = milliseconds(100);
  EXPECT_EQ(Call(*client, server.port(), Post("x"), options).status().code(), Code::kUnavailable);
}

TEST_F(HttpClientTest, BadCallsAreRefusedAtOnce) {
  const auto client = NewClient();
  EXPECT_EQ(Call(*client, 1, Get(), To("")).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Call(*client, 1, Get("no-path")).status().code(), Code::kInvalidArgument);
  Request forged = Get();
  forged.headers = {{"X", "a\r\nY: b"}};
  EXPECT_EQ(Call(*client, 1, forged).status().code(), Code::kInvalidArgument);
  client->Call({"localhost", 1}, Get(), To(),
               [&](Result<Response> result) { results_.Put(std::move(result)); });
  EXPECT_EQ(results_.Get().status().code(), Code::kInvalidArgument) << "nothing is resolved";
}

TEST_F(HttpClientTest, CreateChecksTheTlsMaterial) {
  ClientOptions no_ca = Options();
  no_ca.ca_pem.clear();
  EXPECT_EQ(Client::Create(no_ca).status().code(), Code::kInvalidArgument);
  ClientOptions mixed = Options();
  mixed.identity.key_pem = Identity(ca_, kOperatorUri, false, true).key_pem;
  EXPECT_EQ(Client::Create(mixed).status().code(), Code::kInvalidArgument);
}

TEST_F(HttpClientTest, IdleConnectionsAreClosed) {
  ScriptedServer server(ca_, SandboxUri(kUid));
  ClientOptions options = Options();
  options.idle_timeout = milliseconds(50);
  const auto client = NewClient(options);
  Start(*client, server.port(), Get(), To());
  ASSERT_TRUE(server.Accept());
  server.ReadRequest();
  server.Answer("x");
  ASSERT_TRUE(results_.Get().ok());
  server.WaitForClientEnd();
}

TEST_F(HttpClientTest, TooManyConnections) {
  Inbox<Responder> waiting;
  const auto server =
      NewServer([&](Request, Responder responder) { waiting.Put(std::move(responder)); });
  ClientOptions options = Options();
  options.max_connections = 2;
  const auto client = NewClient(options);
  Start(*client, server->port(), Get(), To());
  Start(*client, server->port(), Get(), To());
  const Responder first = waiting.Get();
  const Responder second = waiting.Get();
  EXPECT_EQ(Call(*client, server->port(), Get()).status().code(), Code::kResourceExhausted);
  first.Send(Response());
  second.Send(Response());
  EXPECT_TRUE(results_.Get().ok());
  EXPECT_TRUE(results_.Get().ok());
}

TEST_F(HttpClientTest, AnIdleConnectionMakesRoomForAnother) {
  const auto one = NewServer(EchoHandler());
  const auto two = NewServer(EchoHandler());
  ClientOptions options = Options();
  options.max_connections = 1;
  const auto client = NewClient(options);
  for (int i = 0; i < 10; ++i) {
    for (const auto* server : {&one, &two}) {
      const Result<Response> result = Call(*client, (*server)->port(), Get());
      EXPECT_TRUE(result.ok()) << result.status().ToString();
    }
  }
}

TEST_F(HttpClientTest, FiveHundredCallsWaitOnOneThread) {
  AllowManySockets();
  constexpr size_t kCalls = 500;
  Inbox<Responder> waiting;
  const auto server =
      NewServer([&](Request, Responder responder) { waiting.Put(std::move(responder)); });
  const auto client = NewClient();
  for (size_t i = 0; i < kCalls; ++i) Start(*client, server->port(), Post("x"), To());
  std::vector<Responder> responders;
  for (size_t i = 0; i < kCalls; ++i) responders.push_back(waiting.Get());
  for (const Responder& responder : responders) responder.Send(Response());
  for (size_t i = 0; i < kCalls; ++i) EXPECT_TRUE(results_.Get().ok());
}

TEST_F(HttpClientTest, TheDestructorEndsOpenCalls) {
  Inbox<Responder> waiting;
  const auto server =
      NewServer([&](Request, Responder responder) { waiting.Put(std::move(responder)); });
  ScriptedServer silent(ca_, SandboxUri(kUid));
  auto client = NewClient();
  Start(*client, server->port(), Post("x"), To());
  Start(*client, server->port(), Get(), To());
  Start(*client, silent.port(), Get(), To());  // still shaking hands
  const Responder first = waiting.Get();
  const Responder second = waiting.Get();
  client.reset();
  ASSERT_EQ(results_.size(), 3u) << "before it returned";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(results_.Get().status().code(), Code::kCancelled);
}

TEST_F(HttpClientTest, CallbacksMayCallAgain) {
  const auto server = NewServer(EchoHandler());
  const auto client = NewClient();
  const uint16_t port = server->port();
  client->Call({"127.0.0.1", port}, Get(), To(), [&](Result<Response> first) {
    EXPECT_TRUE(first.ok());
    Start(*client, port, Get("/teapot"), To());
  });
  const Result<Response> second = results_.Get();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->status, 418u);
}

TEST_F(HttpClientTest, ReloadChangesNewConnections) {
  Inbox<std::string> peers;
  Inbox<Responder> waiting;
  const auto server = NewServer([&](Request request, Responder responder) {
    if (request.target == "/wait") return waiting.Put(std::move(responder));
    peers.Put(request.peer.uris.at(0));
    responder.Send(Response());
  });
  const auto client = NewClient();
  ASSERT_TRUE(Call(*client, server->port(), Get()).ok());
  EXPECT_EQ(peers.Get(), kOperatorUri);
  Start(*client, server->port(), Get("/wait"), To());
  const Responder running = waiting.Get();

  EXPECT_EQ(client->ReloadTls({"x", "y"}, ca_.certificate_pem()).code(), Code::kInvalidArgument);
  ASSERT_TRUE(
      client->ReloadTls(Identity(ca_, kGatewayUri, false, true), ca_.certificate_pem()).ok());
  running.Send(Response());
  EXPECT_TRUE(results_.Get().ok()) << "a running call finishes";
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Call(*client, server->port(), Get()).ok());
    EXPECT_EQ(peers.Get(), kGatewayUri) << "no old connection is used again";
  }
}

TEST_F(HttpClientTest, ManyThreadsOnBothSides) {
  constexpr int kThreads = 4;
  constexpr int kCallsEach = 100;
  ServerOptions server_options;
  server_options.address = "127.0.0.1";
  server_options.threads = 3;
  server_options.server_tls.identity = Identity(ca_, SandboxUri(kUid), true, false);
  server_options.server_tls.client_ca_pem = ca_.certificate_pem();
  const auto server = std::move(Server::Start(server_options, EchoHandler())).value();
  ClientOptions options = Options();
  options.threads = 3;
  const auto client = NewClient(options);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCallsEach; ++i) {
        Start(*client, server->port(), Post(std::to_string(t * kCallsEach + i)), To());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads * kCallsEach; ++i) {
    const Result<Response> result = results_.Get();
    EXPECT_TRUE(result.ok()) << result.status().ToString();
  }
}

}  // namespace
}  // namespace sandgate::http
