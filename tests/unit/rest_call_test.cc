// Calls against servers that do what no API server should.
#include <filesystem>
#include <fstream>
#include <future>

#include "tests/unit/rest_test_util.h"

namespace sandgate::rest {
namespace {

using base::Code;
using testing::Chunk;
using testing::ChunkedHead;
using testing::HttpAnswer;
using testing::RawPeer;
using testing::RawServer;

// Answers every request of a connection with the same bytes.
auto Always(std::string answer) {
  return [answer = std::move(answer)](RawPeer& peer) {
    while (!peer.ReadRequest().empty()) {
      if (!peer.Write(answer)) return;
    }
  };
}

TEST(RestCall, SendsWhatWasAskedForAndNothingElse) {
  std::promise<std::string> seen;
  RawServer server([&](RawPeer& peer) {
    seen.set_value(peer.ReadRequest());
    peer.Write(HttpAnswer(201, "made", "Retry-After: 7\r\n"));
  });
  const auto transport = TransportTo(server);
  Request request = Get("/api/v1/x?labelSelector=a%3Db%2Cc%21%3Dd");
  request.method = "POST";
  request.content_type = "application/merge-patch+json";
  request.body = "{\"a\":1}";
  request.bearer_token = "s3cret";
  const auto response = transport->Do(request);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->status, 201U);
  EXPECT_EQ(response->body, "made");
  EXPECT_EQ(response->retry_after, std::chrono::seconds(7));
  const std::string sent = seen.get_future().get();
  EXPECT_TRUE(sent.starts_with("POST /api/v1/x?labelSelector=a%3Db%2Cc%21%3Dd HTTP/1.1\r\n"))
      << sent;
  EXPECT_NE(sent.find("Authorization:Bearer s3cret\r\n"), std::string::npos) << sent;
  EXPECT_NE(sent.find("Content-Type:application/merge-patch+json\r\n"), std::string::npos) << sent;
  EXPECT_TRUE(sent.ends_with("\r\n\r\n{\"a\":1}")) << sent;
}

TEST(RestCall, KeepsConnectionsAndReplacesClosedOnes) {
  std::atomic<int> served{0};
  RawServer server([&](RawPeer& peer) {
    // Every connection ends after two answers, without a word before.
    for (int i = 0; i < 2 && !peer.ReadRequest().empty(); ++i) {
      ++served;
      peer.Write(HttpAnswer(200, "ok"));
    }
  });
  const auto transport = TransportTo(server);
  for (int i = 0; i < 6; ++i) {
    const auto response = transport->Do(Get("/"));
    ASSERT_TRUE(response.ok()) << i << ": " << response.status().ToString();
  }
  EXPECT_EQ(served, 6);
  EXPECT_LT(server.connections(), 6);
}

TEST(RestCall, NeverFollowsARedirect) {
  RawServer elsewhere(Always(HttpAnswer(200, "stolen")));
  RawServer server(Always(HttpAnswer(307, "", "Location: " + elsewhere.url() + "/\r\n")));
  Request request = Get("/");
  request.bearer_token = "s3cret";
  const auto response = TransportTo(server)->Do(request);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->status, 307U);
  EXPECT_EQ(elsewhere.connections(), 0);
}

TEST(RestCall, AnswersAreBounded) {
  const std::string big(100'000, 'x');
  const std::string answers[] = {HttpAnswer(200, big), ChunkedHead(200) + Chunk(big) + Chunk("")};
  for (const std::string& answer : answers) {
    RawServer server(Always(answer));
    const auto transport = TransportTo(server);
    Request request = Get("/");
    request.max_response_bytes = big.size() - 1;
    EXPECT_EQ(transport->Do(request).status().code(), Code::kResourceExhausted);
    request.max_response_bytes = big.size();
    const auto whole = transport->Do(request);
    ASSERT_TRUE(whole.ok()) << whole.status().ToString();
    EXPECT_EQ(whole->body, big);
  }
}

TEST(RestCall, ADeadlineIsForTheWholeCall) {
  // Stalls; and the library's own timeout would start again with every byte of the others.
  const struct {
    const char* name;
    std::function<void(RawPeer&)> serve;
  } servers[] = {
      {"never answers", [](RawPeer& peer) { peer.WaitForClose(); }},
      {"head without end",
       [](RawPeer& peer) {
         peer.ReadRequest();
         peer.Write("HTTP/1.1 200 OK\r\n");
         while (peer.Write("X: y\r\n")) ::usleep(1000);
       }},
      {"body without end",
       [](RawPeer& peer) {
         peer.ReadRequest();
         peer.Write(ChunkedHead(200));
         while (peer.Write(Chunk("x"))) ::usleep(1000);
       }},
  };
  for (const auto& one : servers) {
    RawServer server(one.serve);
    const auto response = TransportTo(server)->Do(Get("/", kSoon));
    EXPECT_EQ(response.status().code(), Code::kDeadlineExceeded) << one.name;
  }
}

TEST(RestCall, WhatWasNeverSentIsToldFromWhatMayHaveBeenDone) {
  auto gone = std::make_unique<RawServer>(Always(HttpAnswer(200, "")));
  const auto nobody = TransportTo(*gone);
  gone.reset();
  EXPECT_EQ(nobody->Do(Get("/")).status().code(), Code::kUnavailable);

  const char* const half_answers[] = {
      "",
      "HTTP/1.1 200 OK\r\nContent-Le",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
      "\r\n\r\n",
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n"};
  for (const char* answer : half_answers) {
    RawServer server([answer](RawPeer& peer) {
      peer.ReadRequest();
      peer.Write(answer);
    });
    EXPECT_EQ(TransportTo(server)->Do(Get("/")).status().code(), Code::kInternal) << answer;
  }
}

TEST(RestCall, RefusesWhatWouldBreakOutOfItsLine) {
  RawServer server(Always(HttpAnswer(200, "")));
  const auto transport = TransportTo(server);
  for (const char* path : {"", "x", "//evil/", "/a b", "/a\r\nX: y", "/a#b", "/\xc3\xa4"}) {
    EXPECT_EQ(transport->Do(Get(path)).status().code(), Code::kInvalidArgument) << path;
  }
  for (const char* token : {"a b", "a\r\nX: y", "a\n", "\x01"}) {
    Request request = Get("/");
    request.bearer_token = token;
    EXPECT_EQ(transport->Do(request).status().code(), Code::kInvalidArgument) << token;
  }
  for (const char* method : {"", "get", "GET /", "GET\r\n"}) {
    Request request = Get("/");
    request.method = method;
    EXPECT_EQ(transport->Do(request).status().code(), Code::kInvalidArgument) << method;
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST(RestCall, StopEndsACall) {
  std::promise<void> arrived;
  RawServer server([&](RawPeer& peer) {
    peer.ReadRequest();
    arrived.set_value();
    peer.WaitForClose();
  });
  const auto transport = TransportTo(server);
  std::stop_source stop;
  auto call = std::async(std::launch::async, [&] {
    Request request = Get("/");
    request.stop = stop.get_token();
    return transport->Do(request).status();
  });
  arrived.get_future().wait();
  stop.request_stop();
  EXPECT_EQ(call.get().code(), Code::kCancelled);
}

TEST(RestCall, CallsAreBoundedInNumber) {
  std::promise<void> arrived;
  std::promise<void> go_on;
  RawServer server([&, first = std::make_shared<std::atomic<bool>>(true)](RawPeer& peer) {
    peer.ReadRequest();
    if (first->exchange(false)) {
      arrived.set_value();
      go_on.get_future().wait();
    }
    peer.Write(HttpAnswer(200, ""));
  });
  Config config;
  config.max_parallel = 1;
  const auto transport = TransportTo(server, config);
  auto slow = std::async(std::launch::async, [&] { return transport->Do(Get("/")).ok(); });
  arrived.get_future().wait();
  EXPECT_EQ(transport->Do(Get("/", kSoon)).status().code(), Code::kUnavailable);
  EXPECT_EQ(server.connections(), 1);
  go_on.set_value();
  EXPECT_TRUE(slow.get());
  EXPECT_TRUE(transport->Do(Get("/")).ok());
}

TEST(RestCall, ATokenFileIsReadAgainAfterA401) {
  std::string path = (std::filesystem::temp_directory_path() / "rest-token-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << "old\n";
  RawServer server([](RawPeer& peer) {
    for (std::string request; !(request = peer.ReadRequest()).empty();) {
      const bool good = request.find("Authorization:Bearer new\r\n") != std::string::npos;
      peer.Write(HttpAnswer(good ? 200 : 401, ""));
    }
  });
  Config config;
  config.token_file = path;
  const auto transport = TransportTo(server, config);
  EXPECT_EQ(transport->Do(Get("/"))->status, 401U);  // nothing newer to try
  std::ofstream(path) << "new\n";
  EXPECT_EQ(transport->Do(Get("/"))->status, 200U);
  // A caller's own token is never replaced by ours.
  Request request = Get("/");
  request.bearer_token = "callers";
  EXPECT_EQ(transport->Do(request)->status, 401U);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace sandgate::rest
