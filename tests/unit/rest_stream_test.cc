// Watches, as bytes on a socket.
#include <future>
#include <thread>

#include "libs/rest/exchange_state.h"
#include "libs/rest/line_splitter.h"
#include "tests/unit/rest_test_util.h"

namespace sandgate::rest {
namespace {

using base::Code;
using testing::Chunk;
using testing::ChunkedHead;
using testing::HttpAnswer;
using testing::RawPeer;
using testing::RawServer;

struct Seen {
  base::Status status;
  Response response;
  std::vector<std::string> lines;
};

Seen Watch(Transport& transport, size_t max_lines = SIZE_MAX, milliseconds idle = kPatience,
           const std::stop_token& stop = {}) {
  Seen seen;
  seen.status = transport.Stream(
      Get("/watch"), idle, stop,
      [&](std::string_view line) {
        seen.lines.emplace_back(line);
        return seen.lines.size() < max_lines;
      },
      &seen.response);
  return seen;
}

TEST(RestLines, AreCutWhereverTheBytesAre) {
  const std::string text = "one\n\ntwo\r\nthree\nrest";
  for (size_t step = 1; step <= text.size(); ++step) {
    LineSplitter splitter;
    std::vector<std::string> lines;
    bool open = true;
    for (size_t at = 0; at < text.size(); at += step) {
      const auto on_line = [&](std::string_view line) {
        lines.emplace_back(line);
        return true;
      };
      ASSERT_TRUE(splitter.Feed(std::string_view(text).substr(at, step), on_line, &open).ok());
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "two\r", "three"})) << step;
  }
}

TEST(RestLines, AreBounded) {
  LineSplitter splitter(4);
  bool open = true;
  const auto on_line = [](std::string_view) { return true; };
  EXPECT_TRUE(splitter.Feed("1234\n1234", on_line, &open).ok());
  EXPECT_EQ(splitter.Feed("5", on_line, &open).code(), Code::kResourceExhausted);
}

// The two sides of an exchange as threads, without the HTTP library between them.
TEST(RestExchangeState, NothingIsLostBetweenTwoThreads) {
  constexpr int kPieces = 20'000;
  ExchangeState state(/*max_bytes=*/64, /*hold_back=*/true);
  std::jthread library([&] {
    state.SetHead(200, std::chrono::seconds(0));
    for (int i = 0; i < kPieces; ++i) {
      std::promise<void> room;
      if (state.PutBody("0123456789", 10, [&] { room.set_value(); }) ==
          ExchangeState::Put::kTakenButFull) {
        room.get_future().wait();
      }
    }
    state.Finish(base::Status::Ok());
  });
  size_t bytes = 0;
  for (bool over = false; !over;) {
    state.Wait(std::chrono::steady_clock::now() + kPatience, {},
               [](const auto& s) { return s.has_body() || s.over(); });
    over = state.Locked([](const auto& s) { return s.over(); });
    const std::string piece = state.TakeBody();
    EXPECT_LE(piece.size(), 74U);
    bytes += piece.size();
  }
  EXPECT_EQ(bytes, static_cast<size_t>(kPieces) * 10);
}

TEST(RestExchangeState, AbandonedInTheMiddle) {
  for (int i = 0; i < 200; ++i) {
    auto state = std::make_shared<ExchangeState>(64, true);
    std::jthread library([state] {
      for (int n = 0; n < 1000; ++n) {
        const auto room = std::make_shared<std::promise<void>>();
        const auto put = state->PutBody("0123456789", 10, [room] { room->set_value(); });
        if (put == ExchangeState::Put::kRefused) break;
        if (put == ExchangeState::Put::kTakenButFull) room->get_future().wait();
      }
      state->Finish(base::Status(Code::kInternal, "ended"));
    });
    state->TakeBody();
    state->Abandon();
    EXPECT_EQ(state->Wait(std::chrono::steady_clock::now() + kPatience, {},
                          [](const auto& s) { return s.over(); }),
              Exchange::Wake::kProgress);
  }
}

TEST(RestStream, GivesLinesAcrossChunksUntilTheServerEnds) {
  RawServer server([](RawPeer& peer) {
    peer.ReadRequest();
    peer.Write(ChunkedHead(200) + Chunk("a\nb") + Chunk("b\n") + Chunk("c\n") + Chunk(""));
  });
  const Seen seen = Watch(*TransportTo(server));
  EXPECT_TRUE(seen.status.ok()) << seen.status.ToString();
  EXPECT_EQ(seen.response.status, 200U);
  EXPECT_EQ(seen.lines, (std::vector<std::string>{"a", "bb", "c"}));
}

TEST(RestStream, ALineArrivesWhileTheStreamIsOpen) {
  std::promise<void> closed;
  RawServer server([&](RawPeer& peer) {
    peer.ReadRequest();
    peer.Write(ChunkedHead(200) + Chunk("a\n"));
    peer.WaitForClose();
    closed.set_value();
  });
  const auto transport = TransportTo(server);
  const Seen seen = Watch(*transport, 1);
  EXPECT_TRUE(seen.status.ok()) << seen.status.ToString();
  EXPECT_EQ(seen.lines.size(), 1U);
  closed.get_future().wait();  // our end really closes the connection
}

TEST(RestStream, OtherStatusesComeWithTheirBody) {
  RawServer server([](RawPeer& peer) {
    peer.ReadRequest();
    peer.Write(HttpAnswer(410, "gone\nwith\nlines\n", "Retry-After: 3\r\n"));
  });
  const Seen seen = Watch(*TransportTo(server));
  EXPECT_TRUE(seen.status.ok()) << seen.status.ToString();
  EXPECT_EQ(seen.response.status, 410U);
  EXPECT_EQ(seen.response.body, "gone\nwith\nlines\n");
  EXPECT_EQ(seen.response.retry_after, std::chrono::seconds(3));
  EXPECT_TRUE(seen.lines.empty());
}

TEST(RestStream, SilenceEndsIt) {
  RawServer server([](RawPeer& peer) {
    peer.ReadRequest();
    peer.Write(ChunkedHead(200) + Chunk("a\n"));
    peer.WaitForClose();
  });
  const Seen seen = Watch(*TransportTo(server), SIZE_MAX, kSoon);
  EXPECT_EQ(seen.status.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(seen.lines.size(), 1U);
}

TEST(RestStream, ABreakIsNoEnd) {
  RawServer server([](RawPeer& peer) {
    peer.ReadRequest();
    peer.Write(ChunkedHead(200) + Chunk("a\n"));
  });
  const Seen seen = Watch(*TransportTo(server));
  EXPECT_EQ(seen.status.code(), Code::kInternal);
  EXPECT_EQ(seen.lines.size(), 1U);
}

TEST(RestStream, StopEndsItInEveryPhase) {
  for (const bool with_head : {false, true}) {
    std::promise<void> arrived;
    RawServer server([&](RawPeer& peer) {
      peer.ReadRequest();
      if (with_head) peer.Write(ChunkedHead(200) + Chunk("a\n"));
      arrived.set_value();
      peer.WaitForClose();
    });
    const auto transport = TransportTo(server);
    std::stop_source stop;
    auto watch = std::async(std::launch::async, [&] {
      return Watch(*transport, SIZE_MAX, kPatience, stop.get_token()).status;
    });
    arrived.get_future().wait();
    stop.request_stop();
    EXPECT_EQ(watch.get().code(), Code::kCancelled) << with_head;
  }
}

TEST(RestStream, IdleWatchesDoNotStarveCalls) {
  RawServer server([](RawPeer& peer) {
    for (std::string request; !(request = peer.ReadRequest()).empty();) {
      if (request.starts_with("GET /watch")) {
        peer.Write(ChunkedHead(200) + Chunk("a\n"));
        peer.WaitForClose();
        return;
      }
      peer.Write(HttpAnswer(200, ""));
    }
  });
  Config config;
  config.max_parallel = 1;
  const auto transport = TransportTo(server, config);
  std::stop_source stop;
  std::vector<std::future<base::Status>> watches;
  for (int i = 0; i < 20; ++i) {
    watches.push_back(std::async(std::launch::async, [&] {
      return Watch(*transport, SIZE_MAX, kPatience, stop.get_token()).status;
    }));
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(transport->Do(Get("/")).ok());
  stop.request_stop();
  for (auto& watch : watches) EXPECT_EQ(watch.get().code(), Code::kCancelled);
}

// What nobody has read yet waits at the server, not in our memory.
TEST(RestStream, ASlowReaderHoldsTheServerBack) {
  constexpr int kChunks = 4096;
  const std::string chunk = Chunk(std::string(64 * 1024 - 1, 'x') + "\n");  // 256 MiB in all
  std::promise<bool> held_back;
  RawServer server([&](RawPeer& peer) {
    peer.ReadRequest();
    peer.Write(ChunkedHead(200));
    bool told = false;
    for (int i = 0; i < kChunks; ++i) {
      if (!told && !peer.CanWrite(1000)) {
        held_back.set_value(true);
        told = true;
      }
      if (!peer.Write(chunk)) break;
    }
    if (!told) held_back.set_value(false);
    peer.Write(Chunk(""));
  });
  const auto transport = TransportTo(server);
  std::future<bool> held = held_back.get_future();
  int lines = 0;
  Response response;
  const base::Status status = transport->Stream(
      Get("/watch"), kPatience, {},
      [&](std::string_view) {
        if (++lines == 1) {
          EXPECT_TRUE(held.get());
        }
        return true;
      },
      &response);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(lines, kChunks);
}

}  // namespace
}  // namespace sandgate::rest
