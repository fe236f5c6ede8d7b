#include <atomic>
#include <thread>
#include <vector>

#include "libs/http/client.h"
#include "tests/unit/http_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Result;

constexpr char kUid[] = "uid-1";

// A peer that a test leads step by step: accepts by hand, speaks TLS, sends what it likes.
class ScriptedServer {
 public:
  ScriptedServer(const CertificateAuthority& ca, const std::string& uri)
      : context_(SSL_CTX_new(TLS_server_method())) {
    const TlsIdentity identity = Identity(ca, uri, true, false);
    BIO* const cert_bio = BIO_new_mem_buf(identity.certificate_pem.data(), -1);
    BIO* const key_bio = BIO_new_mem_buf(identity.key_pem.data(), -1);
    X509* const cert = PEM_read_bio_X509(cert_bio, nullptr, nullptr, nullptr);
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_, cert);
    SSL_CTX_use_PrivateKey(context_, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~ScriptedServer() {
    HangUp();
    StopListening();
    SSL_CTX_free(context_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  uint16_t port() const { return port_; }

  void AcceptTcp() {
    HangUp();
    fd_ = ::accept(listener_, nullptr, nullptr);
    const timeval patience{60, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  bool Accept() {
    AcceptTcp();
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    return SSL_accept(ssl_) == 1;
  }
  // Reads until the request's head has come; the tests' requests are one record.
  std::string ReadRequest() {
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const int got = SSL_read(ssl_, buffer, sizeof buffer);
      if (got <= 0) break;
      request.append(buffer, static_cast<size_t>(got));
    }
    return request;
  }
  void Send(std::string_view bytes) {
    const NoSigpipe quiet;
    SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  }
  void Answer(std::string_view body) {
    Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body));
  }
  // With TLS's own goodbye, or (`abrupt`) without.
  void HangUp(bool abrupt = false) {
    if (ssl_ != nullptr) {
      const NoSigpipe quiet;
      if (!abrupt) SSL_shutdown(ssl_);
      SSL_free(ssl_);
      ERR_clear_error();
    }
    if (fd_ >= 0) ::close(fd_);
    ssl_ = nullptr;
    fd_ = -1;
  }
  // Until the client has closed its side.
  void WaitForClientEnd() {
    char buffer[256];
    while (SSL_read(ssl_, buffer, sizeof buffer) > 0) {
    }
  }
  void StopListening() {
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
  }

 private:
  SSL_CTX* const context_;
  SSL* ssl_ = nullptr;
  int listener_ = -1;
  int fd_ = -1;
  uint16_t port_ = 0;
};

class HttpClientTest : public testing::Test {
 protected:
  ClientOptions Options() const {
    ClientOptions options;
    options.identity = Identity(ca_, kOperatorUri, false, true);
    options.ca_pem = ca_.certificate_pem();
    return options;
  }
  std::unique_ptr<Client> NewClient(ClientOptions options) const {
    return std::move(Client::Create(std::move(options))).value();
  }
  std::unique_ptr<Client> NewClient() const { return NewClient(Options()); }

  std::unique_ptr<Server> NewServer(Handler handler, const std::string& uri = SandboxUri(kUid)) {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.server_tls.identity = Identity(ca_, uri, true, false);
    options.server_tls.client_ca_pem = ca_.certificate_pem();
    return std::move(Server::Start(options, std::move(handler))).value();
  }

  static CallOptions To(const std::string& uri = SandboxUri(kUid)) {
    CallOptions options;
    options.expected_uri = uri;
    options.deadline = kPatience;
    return options;
  }
  static Request Get(const std::string& target = "/") {
    Request request;
    request.method = "GET";
    request.target = target;
    return request;
  }
  static Request Post(const std::string& body) {
    Request request = Get("/runs/1");
    request.method = "POST";
    request.body = body;
    return request;
  }

  // Starts a call; its result comes into `results_`.
  void Start(Client& client, uint16_t port, Request request, CallOptions options) {
    client.Call({"127.0.0.1", port}, std::move(request), std::move(options),
                [this](Result<Response> result) { results_.Put(std::move(result)); });
  }
  Result<Response> Call(Client& client, uint16_t port, Request request,
                        CallOptions options = To()) {
    Start(client, port, std::move(request), std::move(options));
    return results_.Get();
  }

  static Handler EchoHandler() {
    return [](Request request, Responder responder) {
      Response response;
      response.status = request.target == "/teapot" ? 418 : 200;
      response.headers = {{"X-Method", request.method}, {"X-Peer", request.peer.uris.at(0)}};
      response.body = request.body;
      responder.Send(std::move(response));
    };
  }

  const CertificateAuthority ca_ = NewAuthority();
  Inbox<Result<Response>> results_;
};

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

TEST_F(HttpClientTest, NoAnswerInTimeMayHaveHadItsEffect) {
  Inbox<Responder> waiting;
  Inbox<int> closed;
  const auto server = NewServer([&](Request, Responder responder) {
    responder.OnClosed([&] { closed.Put(1); });
    waiting.Put(std::move(responder));
  });
  const auto client = NewClient();
  CallOptions options = To();
  options.deadline = milliseconds(300);
  EXPECT_EQ(Call(*client, server->port(), Post("x"), options).status().code(),
            Code::kDeadlineExceeded);
  closed.Get();  // the server is told
}

TEST_F(HttpClientTest, ATrickledAnswerDoesNotMoveTheDeadline) {
  ScriptedServer server(ca_, SandboxUri(kUid));
  const auto client = NewClient();
  CallOptions options = To();
  options.deadline = milliseconds(300);
  options.max_response_bytes = 100'000'000;  // more than comes byte by byte before the deadline
  Start(*client, server.port(), Get(), options);
  ASSERT_TRUE(server.Accept());
  server.ReadRequest();
  server.Send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
  while (results_.size() == 0) server.Send("x");
  EXPECT_EQ(results_.Get().status().code(), Code::kDeadlineExceeded);
}

TEST_F(HttpClientTest, BrokenAnswersAreInternal) {
  struct Case {
    const char* why;
    std::string answer;
  };
  const Case cases[] = {
      {"nothing", ""},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-"},
      {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
      {"half the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
      {"no HTTP", "hello\r\n\r\n"},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
      {"length and coding",
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"body beyond the limit", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"},
      {"chunks beyond the limit", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n"},
      {"endless headers", "HTTP/1.1 200 OK\r\nX: " + std::string(64 * 1024, 'x')},
      {"endless interim answers",
       [] {
         std::string many;
         for (int i = 0; i < 100; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
         return many;
       }()},
      {"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
  };
  for (const Case& c : cases) {
    for (const bool abrupt : {false, true}) {
      ScriptedServer server(ca_, SandboxUri(kUid));
      const auto client = NewClient();
      CallOptions options = To();
      options.max_response_bytes = 1000;
      Start(*client, server.port(), Post("x"), options);
      ASSERT_TRUE(server.Accept());
      server.ReadRequest();
      if (!c.answer.empty()) server.Send(c.answer);
      server.HangUp(abrupt);
      const Result<Response> result = results_.Get();
      EXPECT_EQ(result.status().code(), Code::kInternal)
          << c.why << ": " << result.status().ToString();
    }
  }
}

TEST_F(HttpClientTest, InterimAnswersAreSkipped) {
  ScriptedServer server(ca_, SandboxUri(kUid));
  const auto client = NewClient();
  Start(*client, server.port(), Post("x"), To());
  ASSERT_TRUE(server.Accept());
  server.ReadRequest();
  server.Send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n");
  server.Answer("real");
  const Result<Response> result = results_.Get();
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->body, "real");
  EXPECT_EQ(result->HeaderValue("X"), "");
}

TEST_F(HttpClientTest, ABodyUntilTheEndNeedsAProperEnd) {
  for (const bool abrupt : {false, true}) {
    ScriptedServer server(ca_, SandboxUri(kUid));
    const auto client = NewClient();
    Start(*client, server.port(), Get(), To());
    ASSERT_TRUE(server.Accept());
    server.ReadRequest();
    server.Send("HTTP/1.1 200 OK\r\n\r\nsome text");
    server.HangUp(abrupt);
    const Result<Response> result = results_.Get();
    EXPECT_EQ(result.ok(), !abrupt) << "cut off by anyone on the way, it would look whole";
  }
}

TEST_F(HttpClientTest, HeadHasNoBody) {
  const auto server = NewServer(EchoHandler());
  const auto client = NewClient();
  Request head = Get();
  head.method = "HEAD";
  const Result<Response> result = Call(*client, server->port(), head);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->body, "");
}

TEST_F(HttpClientTest, RedirectsAreNotFollowed) {
  std::atomic<int> handled = 0;
  const auto server = NewServer([&](Request, Responder responder) {
    ++handled;
    Response response;
    response.status = 307;
    response.headers = {{"Location", "/elsewhere"}};
    responder.Send(std::move(response));
  });
  const auto client = NewClient();
  const Result<Response> result = Call(*client, server->port(), Get());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->status, 307u);
  EXPECT_EQ(handled, 1);
}

// A connection that served one call and is kept.
class KeptConnectionTest : public HttpClientTest {
 protected:
  void SetUp() override {
    Start(*client_, server_.port(), Get("/first"), To());
    ASSERT_TRUE(server_.Accept());
    server_.ReadRequest();
    server_.Answer("first");
    ASSERT_TRUE(results_.Get().ok());
  }
  // The next call, once it has come over the kept connection.
  void StartOnKept(Request request) {
    Start(*client_, server_.port(), std::move(request), To());
    ASSERT_NE(server_.ReadRequest(), "");
  }

  ScriptedServer server_{ca_, SandboxUri(kUid)};
  std::unique_ptr<Client> client_ = NewClient();
};

TEST_F(KeptConnectionTest, AGetIsRepeatedOnceWhenItDied) {
  StartOnKept(Get("/second"));
  server_.HangUp();
  ASSERT_TRUE(server_.Accept());
  EXPECT_TRUE(server_.ReadRequest().starts_with("GET /second "));
  server_.Answer("second");
  const Result<Response> result = results_.Get();
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->body, "second");
}

TEST_F(KeptConnectionTest, AGetIsNotRepeatedTwice) {
  StartOnKept(Get("/second"));
  server_.HangUp();
  ASSERT_TRUE(server_.Accept());
  server_.ReadRequest();
  server_.HangUp();
  EXPECT_EQ(results_.Get().status().code(), Code::kInternal);
}

TEST_F(KeptConnectionTest, APostThatWasSentIsNotRepeated) {
  StartOnKept(Post("start it"));
  server_.HangUp();
  EXPECT_EQ(results_.Get().status().code(), Code::kInternal);
}

TEST_F(KeptConnectionTest, AGetWithHalfAnAnswerIsNotRepeated) {
  StartOnKept(Get("/second"));
  server_.Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
  server_.HangUp();
  EXPECT_EQ(results_.Get().status().code(), Code::kInternal);
}

TEST_F(KeptConnectionTest, WhatComesUnaskedIsNoAnswer) {
  // Bytes while idle would be taken for the next call's answer.
  server_.Send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
  server_.WaitForClientEnd();
  Start(*client_, server_.port(), Post("second"), To());
  ASSERT_TRUE(server_.Accept());
  server_.ReadRequest();
  server_.Answer("second");
  const Result<Response> result = results_.Get();
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->body, "second");
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
