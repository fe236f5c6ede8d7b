#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/http_client_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;

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

}  // namespace
}  // namespace sandgate::http
