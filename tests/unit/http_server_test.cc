#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/http_server_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;

TEST(HttpServerTest, AnswersAndKeepsTheConnection) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.Send("POST /p?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    const std::string head = client.ReceiveUntil("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
    EXPECT_NE(head.find("Content-Length: 17\r\n"), std::string::npos) << head;
    EXPECT_EQ(client.ReceiveUntil("abc"), "POST /p?q=1 3 abc");
  }
}

TEST(HttpServerTest, ChunkedBodiesAndTrailers) {
  const auto server = StartServer(Plain(), [](Request request, Responder responder) {
    responder.Send(Text(request.body + std::to_string(request.HeaderCount("X-Trailer")) + '.'));
  });
  const std::string answer =
      Ask(server->port(),
          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
          "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
  EXPECT_NE(answer.find("abcde0."), std::string::npos) << answer;
}

TEST(HttpServerTest, ExpectContinue) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReceiveUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ab");
  EXPECT_TRUE(client.ReceiveUntil("\r\n\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_EQ(client.ReceiveUntil("ab"), "POST / 2 ab");
}

TEST(HttpServerTest, HeadHasTheLengthAndNoBody) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  client.Send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = client.ReceiveUntil("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 10\r\n"), std::string::npos) << head;
  client.Send(kGetClose);
  EXPECT_TRUE(client.ReceiveAll().starts_with("HTTP/1.1 200")) << "no body came between";
}

TEST(HttpServerTest, Http10ClosesUnlessAsked) {
  const auto server = StartServer(Plain(), Echo);
  const std::string answer = Ask(server->port(), "GET /a HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(answer.ends_with("GET /a 0 "));
}

TEST(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  std::string bytes;
  constexpr int kRequests = 500;  // far more than one buffer holds
  for (int i = 0; i < kRequests; ++i) {
    bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nX: " + std::string(200, 'x') +
             "\r\n\r\n";
  }
  std::thread sender([&] { client.Send(bytes); });
  for (int i = 0; i < kRequests; ++i) {
    client.ReceiveUntil("\r\n\r\n");
    const std::string body = "GET /" + std::to_string(i) + " 0 ";
    ASSERT_EQ(client.ReceiveUntil(body), body);
  }
  sender.join();
}

TEST(HttpServerTest, BytewiseInputIsTheSameRequest) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  const std::string bytes =
      "\r\nPOST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (const char c : bytes) ASSERT_TRUE(client.Send(std::string_view(&c, 1)));
  client.ReceiveUntil("\r\n\r\n");
  EXPECT_EQ(client.ReceiveUntil("abc"), "POST /x 3 abc");
}

TEST(HttpServerTest, AnswersFromAnyThreadAtAnyTimeOnce) {
  Inbox<Responder> waiting;
  const auto server = StartServer(
      Plain(), [&](Request, Responder responder) { waiting.Put(std::move(responder)); });
  RawClient client(server->port());
  client.Send(kGetClose);
  const Responder responder = waiting.Get();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { responder.Send(Text("answer")); });
  }
  const std::string answer = client.ReceiveAll();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(answer.ends_with("\r\n\r\nanswer")) << answer;
  EXPECT_EQ(answer.find("answer"), answer.rfind("answer"));
  EXPECT_FALSE(responder.Write("late"));
  responder.EndStream();
}

TEST(HttpServerTest, FiveHundredWaitOnOneThread) {
  AllowManySockets();
  constexpr size_t kClients = 500;
  Inbox<Responder> waiting;
  const auto server = StartServer(
      Plain(), [&](Request, Responder responder) { waiting.Put(std::move(responder)); });
  std::vector<std::unique_ptr<RawClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->port()));
    ASSERT_TRUE(clients.back()->Send(kGetClose));
  }
  std::vector<Responder> responders;
  for (size_t i = 0; i < kClients; ++i) responders.push_back(waiting.Get());
  for (const Responder& responder : responders) responder.Send(Text("done"));
  for (const auto& client : clients) EXPECT_TRUE(client->ReceiveAll().ends_with("done"));
}

TEST(HttpServerTest, ADroppedResponderIsA500) {
  const auto server = StartServer(Plain(), [](Request, Responder) {});
  const std::string answer = Ask(server->port(), kGetClose);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500")) << answer;
}

TEST(HttpServerTest, AThrowingHandlerIsA500) {
  const auto server = StartServer(Plain(), [](Request request, Responder) {
    if (request.target == "/a") throw std::runtime_error("secret detail");
    throw 1;
  });
  const std::string answer = Ask(server->port(), kGetClose);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500")) << answer;
  EXPECT_EQ(answer.find("secret"), std::string::npos);
  EXPECT_TRUE(Ask(server->port(), "GET /b HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 500"));
}

TEST(HttpServerTest, AnAnswerThatWouldForgeHeadersIsA500) {
  const auto server = StartServer(Plain(), [](Request request, Responder responder) {
    Response response = Text("x");
    response.headers.push_back({"X", "a\r\nSet-Cookie: evil"});
    if (request.target == "/stream") {
      responder.BeginStream(response);
      responder.EndStream();
    } else {
      responder.Send(response);
    }
  });
  for (const char* path : {"/", "/stream"}) {
    const std::string answer =
        Ask(server->port(),
            std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500")) << answer;
    EXPECT_EQ(answer.find("evil"), std::string::npos);
  }
}

TEST(HttpServerTest, OnClosedTellsOfAClientThatLeaves) {
  Inbox<Responder> waiting;
  Inbox<std::thread::id> closed;
  const auto server = StartServer(Plain(), [&](Request, Responder responder) {
    responder.OnClosed([&] { closed.Put(std::this_thread::get_id()); });
    waiting.Put(std::move(responder));
  });
  RawClient client(server->port());
  client.Send(kGet);
  const Responder responder = waiting.Get();
  client.Close();
  EXPECT_NE(closed.Get(), std::this_thread::get_id());
  responder.Send(Text("too late"));  // does nothing
  bool told = false;
  responder.OnClosed([&] { told = true; });
  EXPECT_TRUE(told) << "it has gone already";
}

TEST(HttpServerTest, OnClosedIsQuietWhenTheAnswerWasSent) {
  std::atomic<int> closed = 0;
  {
    const auto server = StartServer(Plain(), [&](Request, Responder responder) {
      responder.OnClosed([&] { ++closed; });
      responder.Send(Text("x"));
    });
    EXPECT_TRUE(Ask(server->port(), kGetClose).ends_with("x"));
  }
  EXPECT_EQ(closed, 0);
}

TEST(HttpServerTest, StreamsInChunks) {
  Inbox<Responder> waiting;
  const auto server = StartServer(Plain(), [&](Request, Responder responder) {
    Response head;
    head.headers = {{"Content-Type", "text/event-stream"}};
    responder.BeginStream(head);
    waiting.Put(std::move(responder));
  });
  RawClient client(server->port());
  client.Send(kGet);
  const Responder responder = waiting.Get();
  EXPECT_NE(client.ReceiveUntil("\r\n\r\n").find("Transfer-Encoding: chunked\r\n"),
            std::string::npos);
  for (const std::string event : {"one", "two"}) {
    EXPECT_TRUE(responder.Write(event));
    EXPECT_EQ(client.ReceiveUntil("\r\n" + event + "\r\n"), "3\r\n" + event + "\r\n");
  }
  responder.EndStream();
  EXPECT_EQ(client.ReceiveUntil("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_FALSE(responder.Write("late"));
  client.Send(kGet);  // the connection goes on
  waiting.Get().EndStream();
  EXPECT_TRUE(client.ReceiveUntil("\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST(HttpServerTest, AStreamThatNobodyReadsIsBounded) {
  Inbox<Responder> waiting;
  const auto server = StartServer(Plain(), [&](Request, Responder responder) {
    responder.BeginStream(Response());
    waiting.Put(std::move(responder));
  });
  RawClient client(server->port());
  client.Send(kGet);
  const Responder responder = waiting.Get();
  const std::string chunk(64 * 1024, 'x');
  size_t taken = 0;
  constexpr size_t kMuch = 256 * 1024 * 1024;
  while (taken < kMuch && responder.Write(chunk)) taken += chunk.size();
  EXPECT_LT(taken, kMuch) << "the kernel's buffers and 1 MiB are all that may wait";
  EXPECT_FALSE(responder.Write(std::string(1024 * 1024 + 1, 'x')));
}

TEST(HttpServerTest, AnAbandonedStreamIsCutOff) {
  const auto server = StartServer(Plain(), [&](Request, Responder responder) {
    responder.BeginStream(Response());
    responder.Write("half");
  });
  const std::string answer = Ask(server->port(), kGet);
  EXPECT_NE(answer.find("half"), std::string::npos);
  EXPECT_FALSE(answer.ends_with("0\r\n\r\n")) << "it must not look whole";
}

TEST(HttpServerTest, WriteSaysWhenTheClientHasGone) {
  Inbox<Responder> waiting;
  Inbox<int> closed;
  const auto server = StartServer(Plain(), [&](Request, Responder responder) {
    responder.BeginStream(Response());
    responder.OnClosed([&] { closed.Put(1); });
    waiting.Put(std::move(responder));
  });
  RawClient client(server->port());
  client.Send(kGet);
  const Responder responder = waiting.Get();
  client.ReceiveUntil("\r\n\r\n");
  client.Close();
  closed.Get();
  EXPECT_FALSE(responder.Write("x"));
}

TEST(HttpServerTest, StopLetsRunningRequestsFinish) {
  Inbox<Responder> waiting;
  const auto server = StartServer(
      Plain(), [&](Request, Responder responder) { waiting.Put(std::move(responder)); });
  RawClient idle(server->port());
  RawClient client(server->port());
  client.Send(kGet);
  const Responder responder = waiting.Get();
  std::thread stopper([&] { server->Stop(kPatience); });
  EXPECT_EQ(idle.ReceiveAll(), "") << "an idle connection is closed at once";
  responder.Send(Text("finished"));
  const std::string answer = client.ReceiveAll();
  EXPECT_TRUE(answer.ends_with("finished")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  stopper.join();
  EXPECT_FALSE(RawClient(server->port()).connected());
}

TEST(HttpServerTest, StopEndsWhatDoesNotFinish) {
  Inbox<Responder> waiting;
  Inbox<int> closed;
  auto server = StartServer(Plain(), [&](Request, Responder responder) {
    responder.OnClosed([&] { closed.Put(1); });
    waiting.Put(std::move(responder));
  });
  RawClient client(server->port());
  client.Send(kGet);
  const Responder responder = waiting.Get();
  server->Stop(milliseconds(1));
  closed.Get();
  EXPECT_EQ(client.ReceiveAll(), "");
  server.reset();
  responder.Send(Text("after the server's end"));
  EXPECT_FALSE(responder.Write("x"));
}

TEST(HttpServerTest, StartSaysWhatIsWrong) {
  const auto server = StartServer(Plain(), Echo);
  ServerOptions busy = Plain();
  busy.port = server->port();
  EXPECT_EQ(Server::Start(busy, Echo).status().code(), Code::kUnavailable);
  ServerOptions name = Plain();
  name.address = "localhost";
  EXPECT_EQ(Server::Start(name, Echo).status().code(), Code::kInvalidArgument);
  ServerOptions no_identity = Plain();
  no_identity.tls = true;
  EXPECT_EQ(Server::Start(no_identity, Echo).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace sandgate::http
