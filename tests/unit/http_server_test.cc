#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "libs/http/server.h"
#include "tests/unit/http_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;

Response Text(std::string body) {
  Response response;
  response.headers = {{"Content-Type", "text/plain"}};
  response.body = std::move(body);
  return response;
}

// Answers every request with what was read of it.
void Echo(Request request, Responder responder) {
  responder.Send(Text(request.method + ' ' + request.target + ' ' +
                      std::to_string(request.body.size()) + ' ' + request.body));
}

ServerOptions Plain() {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.tls = false;
  return options;
}

std::unique_ptr<Server> StartServer(ServerOptions options, Handler handler) {
  auto server = Server::Start(std::move(options), std::move(handler));
  if (!server.ok()) throw std::runtime_error(server.status().ToString());
  return std::move(server).value();
}

std::string Ask(uint16_t port, std::string_view bytes) {
  RawClient client(port);
  client.Send(bytes);
  return client.ReceiveAll();
}

constexpr char kGet[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kGetClose[] = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

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

TEST(HttpServerTest, HostileInput) {
  struct Case {
    const char* why;
    std::string bytes;
    const char* status;
  };
  const std::string host = "Host: x\r\n";
  const Case cases[] = {
      {"no HTTP at all", "\x16\x03\x01\x02\r\n\r\n", "400"},
      {"junk", std::string("\0\0\0\0\r\n\r\n", 8), "400"},
      {"unknown version", "GET / HTTP/3.7\r\n" + host + "\r\n", "505"},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two Hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", "400"},
      {"absolute target", "GET http://y/ HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"asterisk target", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"authority target", "CONNECT y:443 HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"bare line feed after the version", "GET / HTTP/1.1\nHost: x\n\n", "505"},
      {"bare line feeds", "GET / HTTP/1.1\r\nHost: x\n\n", "400"},
      {"bare line feed in a header", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", "400"},
      {"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"},
      {"header without a name", "GET / HTTP/1.1\r\n" + host + ": y\r\n\r\n", "400"},
      {"NUL in a value", "GET / HTTP/1.1\r\n" + host + std::string("X: a\0b\r\n\r\n", 10), "400"},
      {"CR in a value", "GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", "400"},
      {"two lengths",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
      {"the same length twice",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "400"},
      {"length list", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n\r\na", "400"},
      {"negative length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", "400"},
      {"signed length", "POST / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\na", "400"},
      {"hex length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0x1\r\n\r\na", "400"},
      {"length overflow",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551617\r\n\r\na", "400"},
      {"length beyond the limit", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1048577\r\n\r\n",
       "413"},
      {"length and coding",
       "POST / HTTP/1.1\r\n" + host +
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"coding and length",
       "POST / HTTP/1.1\r\n" + host +
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
       "400"},
      {"unknown coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", "501"},
      {"two codings",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
      {"coding in disguise",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
      {"identity coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n",
       "501"},
      {"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"chunk size that is none",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
      {"negative chunk", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
       "400"},
      {"endless chunk",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
       "413"},
      {"chunk size overflow",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\n",
       "400"},
      {"chunk longer than it says",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
       "400"},
      {"unknown expectation",
       "POST / HTTP/1.1\r\n" + host + "Expect: 200-maybe\r\nContent-Length: 1\r\n\r\n", "417"},
      {"method that is no token", "G@T / HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"long header", "GET / HTTP/1.1\r\n" + host + "X: " + std::string(20'000, 'x') + "\r\n\r\n",
       "431"},
      {"long target", "GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\n" + host + "\r\n", "431"},
      {"long method", std::string(20'000, 'X'), "431"},
  };
  const auto server = StartServer(Plain(), Echo);
  for (const Case& c : cases) {
    const std::string answer = Ask(server->port(), c.bytes);
    EXPECT_TRUE(answer.starts_with(std::string("HTTP/1.1 ") + c.status)) << c.why << ": " << answer;
    EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << c.why;
    EXPECT_NE(answer.find("{\"error\":{\"code\":\""), std::string::npos) << c.why;
  }
  EXPECT_TRUE(Ask(server->port(), kGetClose).starts_with("HTTP/1.1 200"));
}

TEST(HttpServerTest, ManyHeadersAndLongChunkHeadersAreBounded) {
  const auto server = StartServer(Plain(), Echo);
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 4000; ++i) many += "X: y\r\n";
  EXPECT_TRUE(Ask(server->port(), many).starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(
      Ask(server->port(), "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                              std::string(40'000, 'x'))
          .starts_with("HTTP/1.1 400"));
}

TEST(HttpServerTest, BodyLimitIsExact) {
  ServerOptions options = Plain();
  options.max_body_bytes = 1000;
  const auto server = StartServer(options, Echo);
  const auto post = [&](size_t size, bool chunked) {
    std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    const std::string body(size, 'b');
    if (chunked) {
      bytes += "Transfer-Encoding: chunked\r\n\r\n1f4\r\n" + body.substr(0, 500) + "\r\n";
      char tail[32];
      std::snprintf(tail, sizeof tail, "%zx\r\n", size - 500);
      bytes += tail + body.substr(500) + "\r\n0\r\n\r\n";
    } else {
      bytes += "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body;
    }
    return Ask(server->port(), bytes).substr(0, 12);
  };
  EXPECT_EQ(post(1000, false), "HTTP/1.1 200");
  EXPECT_EQ(post(1000, true), "HTTP/1.1 200");
  EXPECT_EQ(post(1001, false), "HTTP/1.1 413");
  EXPECT_EQ(post(1001, true), "HTTP/1.1 413");
}

TEST(HttpServerTest, ADeclaredBodyIsRefusedBeforeItComes) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  client.Send(
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
  EXPECT_TRUE(client.ReceiveUntil("\r\n\r\n").starts_with("HTTP/1.1 413"));
}

TEST(HttpServerTest, TheRefusalArrivesThoughTheClientKeepsSending) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  client.Send(std::string(500'000, 'x'));
  EXPECT_TRUE(client.ReceiveAll().starts_with("HTTP/1.1 413"));
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

TEST(HttpServerTest, SlowClientsAreClosed) {
  struct Case {
    const char* why;
    const char* bytes;
  };
  ServerOptions options = Plain();
  options.read_timeout = milliseconds(100);
  options.idle_timeout = milliseconds(100);
  const auto server = StartServer(options, Echo);
  for (const Case& c : {Case{"says nothing", ""}, Case{"half a request line", "GET / HT"},
                        Case{"headers without end", "GET / HTTP/1.1\r\nHost: x\r\nX: "},
                        Case{"body that never comes",
                             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"}}) {
    EXPECT_EQ(Ask(server->port(), c.bytes), "") << c.why;
  }
}

TEST(HttpServerTest, TricklingDoesNotMoveTheDeadline) {
  ServerOptions options = Plain();
  options.read_timeout = milliseconds(300);
  const auto server = StartServer(options, Echo);
  RawClient client(server->port());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nX: ");
  pollfd readable{client.fd(), POLLIN, 0};
  // A byte every 10 ms until the server has had enough: each would be well in time by itself.
  int sent = 0;
  while (::poll(&readable, 1, 10) == 0 && sent < 6000) {
    client.Send("x");
    ++sent;
  }
  EXPECT_LT(sent, 6000);
  EXPECT_EQ(client.ReceiveAll(), "");
}

TEST(HttpServerTest, AClientThatDoesNotReadIsClosed) {
  ServerOptions options = Plain();
  options.write_timeout = milliseconds(200);
  Inbox<int> gone;
  const auto server = StartServer(options, [&](Request, Responder responder) {
    responder.OnClosed([&] { gone.Put(1); });
    responder.Send(Text(std::string(64 * 1024 * 1024, 'x')));
  });
  RawClient client(server->port());
  client.Send(kGet);
  EXPECT_EQ(gone.Get(), 1);
}

TEST(HttpServerTest, OneConnectionTooManyIsClosed) {
  ServerOptions options = Plain();
  options.max_connections = 2;
  const auto server = StartServer(options, Echo);
  RawClient first(server->port());
  RawClient second(server->port());
  for (RawClient* client : {&first, &second}) {
    client->Send(kGet);
    client->ReceiveUntil("GET /a 0 ");
  }
  EXPECT_EQ(Ask(server->port(), kGet), "");
  first.Close();
  // The place is free once the server has seen the end: asked until it is.
  std::string answer;
  while (answer.empty()) answer = Ask(server->port(), kGetClose);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
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
