#include <gtest/gtest.h>

#include <span>

#include "tests/unit/http_server_test_util.h"

namespace sandgate::http {
namespace {

struct HostileCase {
  const char* why;
  std::string bytes;
  const char* status;
};

const std::string kHost = "Host: x\r\n";

const HostileCase kHostileHeads[] = {
    {"no HTTP at all", "\x16\x03\x01\x02\r\n\r\n", "400"},
    {"junk", std::string("\0\0\0\0\r\n\r\n", 8), "400"},
    {"unknown version", "GET / HTTP/3.7\r\n" + kHost + "\r\n", "505"},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
    {"two Hosts", "GET / HTTP/1.1\r\n" + kHost + kHost + "\r\n", "400"},
    {"absolute target", "GET http://y/ HTTP/1.1\r\n" + kHost + "\r\n", "400"},
    {"asterisk target", "OPTIONS * HTTP/1.1\r\n" + kHost + "\r\n", "400"},
    {"authority target", "CONNECT y:443 HTTP/1.1\r\n" + kHost + "\r\n", "400"},
    {"bare line feed after the version", "GET / HTTP/1.1\nHost: x\n\n", "505"},
    {"bare line feeds", "GET / HTTP/1.1\r\nHost: x\n\n", "400"},
    {"bare line feed in a header", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", "400"},
    {"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"},
    {"header without a name", "GET / HTTP/1.1\r\n" + kHost + ": y\r\n\r\n", "400"},
    {"NUL in a value", "GET / HTTP/1.1\r\n" + kHost + std::string("X: a\0b\r\n\r\n", 10), "400"},
    {"CR in a value", "GET / HTTP/1.1\r\n" + kHost + "X: a\rb\r\n\r\n", "400"},
    {"method that is no token", "G@T / HTTP/1.1\r\n" + kHost + "\r\n", "400"},
    {"long header", "GET / HTTP/1.1\r\n" + kHost + "X: " + std::string(20'000, 'x') + "\r\n\r\n",
     "431"},
    {"long target", "GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\n" + kHost + "\r\n", "431"},
    {"long method", std::string(20'000, 'X'), "431"},
};

const HostileCase kHostileBodies[] = {
    {"two lengths",
     "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
    {"the same length twice",
     "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "400"},
    {"length list", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1, 1\r\n\r\na", "400"},
    {"negative length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: -1\r\n\r\n", "400"},
    {"signed length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: +1\r\n\r\na", "400"},
    {"hex length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 0x1\r\n\r\na", "400"},
    {"length overflow",
     "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 18446744073709551617\r\n\r\na", "400"},
    {"length beyond the limit", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1048577\r\n\r\n",
     "413"},
    {"length and coding",
     "POST / HTTP/1.1\r\n" + kHost +
         "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400"},
    {"coding and length",
     "POST / HTTP/1.1\r\n" + kHost +
         "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
     "400"},
    {"unknown coding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip\r\n\r\n", "501"},
    {"two codings",
     "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
    {"coding in disguise",
     "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
    {"identity coding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: identity\r\n\r\n",
     "501"},
    {"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {"chunk size that is none",
     "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
    {"negative chunk", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
     "400"},
    {"endless chunk",
     "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
     "413"},
    {"chunk size overflow",
     "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\n",
     "400"},
    {"chunk longer than it says",
     "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
     "400"},
    {"unknown expectation",
     "POST / HTTP/1.1\r\n" + kHost + "Expect: 200-maybe\r\nContent-Length: 1\r\n\r\n", "417"},
};

void ExpectRefusals(std::span<const HostileCase> cases) {
  const auto server = StartServer(Plain(), Echo);
  for (const HostileCase& c : cases) {
    const std::string answer = Ask(server->port(), c.bytes);
    EXPECT_TRUE(answer.starts_with(std::string("HTTP/1.1 ") + c.status)) << c.why << ": " << answer;
    EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << c.why;
    EXPECT_NE(answer.find("{\"error\":{\"code\":\""), std::string::npos) << c.why;
  }
  EXPECT_TRUE(Ask(server->port(), kGetClose).starts_with("HTTP/1.1 200"));
}

TEST(HttpServerHostileTest, BadHeads) {
  ExpectRefusals(kHostileHeads);
}

TEST(HttpServerHostileTest, BadBodies) {
  ExpectRefusals(kHostileBodies);
}

TEST(HttpServerHostileTest, ManyHeadersAndLongChunkHeadersAreBounded) {
  const auto server = StartServer(Plain(), Echo);
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 4000; ++i) many += "X: y\r\n";
  EXPECT_TRUE(Ask(server->port(), many).starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(
      Ask(server->port(), "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                              std::string(40'000, 'x'))
          .starts_with("HTTP/1.1 400"));
}

TEST(HttpServerHostileTest, BodyLimitIsExact) {
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

// Each within its own limit, and together too much: the one that comes last is refused.
TEST(HttpServerHostileTest, AllBodiesTogetherAreBounded) {
  ServerOptions options = Plain();
  options.max_unread_bytes = 1000;
  const auto server = StartServer(options, Echo);
  const auto post = [](size_t size) {
    return "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
           std::to_string(size) + "\r\n\r\n";
  };
  const std::string small = post(400) + std::string(400, 'b');
  EXPECT_TRUE(Ask(server->port(), post(2000) + std::string(2000, 'a')).starts_with("HTTP/1.1 503"));
  RawClient first(server->port());
  first.Send(post(700) + std::string(690, 'a'));
  while (!Ask(server->port(), small).starts_with("HTTP/1.1 503")) {
  }  // until the server has read what the first one sent
  first.Send(std::string(10, 'a'));
  EXPECT_TRUE(first.ReceiveAll().starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(Ask(server->port(), small).starts_with("HTTP/1.1 200"));
}

TEST(HttpServerHostileTest, ADeclaredBodyIsRefusedBeforeItComes) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  client.Send(
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
  EXPECT_TRUE(client.ReceiveUntil("\r\n\r\n").starts_with("HTTP/1.1 413"));
}

TEST(HttpServerHostileTest, TheRefusalArrivesThoughTheClientKeepsSending) {
  const auto server = StartServer(Plain(), Echo);
  RawClient client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  client.Send(std::string(500'000, 'x'));
  EXPECT_TRUE(client.ReceiveAll().starts_with("HTTP/1.1 413"));
}

TEST(HttpServerHostileTest, SlowClientsAreClosed) {
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

TEST(HttpServerHostileTest, TricklingDoesNotMoveTheDeadline) {
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

TEST(HttpServerHostileTest, AClientThatDoesNotReadIsClosed) {
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

TEST(HttpServerHostileTest, OneConnectionTooManyIsClosed) {
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

}  // namespace
}  // namespace sandgate::http
