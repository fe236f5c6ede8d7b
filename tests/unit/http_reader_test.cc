// The parsers of libs/http by themselves: tables, every split of every message, and random damage
// from a fixed seed. What they must never do is crash, loop, grow or disagree with themselves.
#include <gtest/gtest.h>

#include <random>

#include "libs/http/request_reader.h"
#include "libs/http/response_reader.h"

namespace sandgate::http {
namespace {

constexpr RequestLimits kLimits{512, 256};

// All that can be told from outside after some bytes.
struct Outcome {
  RequestReader::State state;
  unsigned status = 0;
  std::string method;
  std::string target;
  std::string body;
  size_t headers = 0;
  size_t consumed = 0;

  bool operator==(const Outcome&) const = default;
};

// Feeds `bytes` as a connection would, in pieces that end at `cuts`; what is not consumed comes
// again with the next piece.
Outcome ReadRequest(std::string_view bytes, const std::vector<size_t>& cuts = {}) {
  RequestReader reader(kLimits);
  Outcome out{};
  size_t available = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    available = i < cuts.size() ? cuts[i] : bytes.size();
    const std::string_view data = bytes.substr(out.consumed, available - out.consumed);
    const size_t taken = reader.Feed(data);
    EXPECT_LE(taken, data.size());
    out.consumed += taken;
    const bool more = reader.state() == RequestReader::State::kHead ||
                      reader.state() == RequestReader::State::kBody;
    if (!more) break;
    // Nothing may wait for ever in the caller's bounded buffer.
    EXPECT_LE(data.size() - taken, kLimits.header_bytes);
  }
  out.state = reader.state();
  if (out.state == RequestReader::State::kRefused) {
    out.status = reader.refusal().status;
    EXPECT_GE(out.status, 400u);
    EXPECT_LT(out.status, 600u);
    EXPECT_FALSE(reader.refusal().code.empty());
    out.consumed = 0;  // the connection ends: how much was looked at is nobody's business
  } else if (out.state == RequestReader::State::kDone) {
    const Request request = reader.Take();
    out.method = request.method;
    out.target = request.target;
    out.body = request.body;
    out.headers = request.headers.size();
    EXPECT_LE(out.body.size(), kLimits.body_bytes);
  }
  return out;
}

const std::string kGood[] = {
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Y:\t z \r\n\r\nhello",
    "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n",
    "PUT /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "PUT /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n"
    "00\r\nTrailer: a\r\nContent-Type: forged\r\n\r\n",
    "DELETE /v1/%2e%2e HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "X-METHOD / HTTP/1.1\r\nHost: x\r\nFolded: a\r\n b\r\n\r\n",
};

const std::string kBad[] = {
    "GET / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "GET / HTTP/11\r\nHost: x\r\n\r\n",
    "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 257\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 1\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
    "chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0b"
    "chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n101\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    "80\r\n" +
        std::string(128, 'x') + "\r\n81\r\n",
};

TEST(RequestReaderTest, GoodAndBad) {
  for (const std::string& text : kGood) {
    const Outcome outcome = ReadRequest(text);
    EXPECT_EQ(outcome.state, RequestReader::State::kDone) << text;
    EXPECT_EQ(outcome.consumed, text.size()) << text;
  }
  for (const std::string& text : kBad) {
    EXPECT_EQ(ReadRequest(text).state, RequestReader::State::kRefused) << text;
  }
}

TEST(RequestReaderTest, AByteAfterTheLastChunksSizeIsNoCrash) {
  // Beast 1.74's own chunk reader aborts here (with assertions) on what any client may send.
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string text = head + "0\r\n\r\n";
  EXPECT_EQ(ReadRequest(text, {head.size() + 3, head.size() + 4}).state,
            RequestReader::State::kDone);
}

TEST(RequestReaderTest, TrailersNeverBecomeHeaders) {
  RequestReader reader(kLimits);
  reader.Feed(kGood[5]);
  const Request request = reader.Take();
  EXPECT_EQ(request.headers.size(), 3u);
  EXPECT_EQ(request.HeaderValue("Content-Type"), "");
}

TEST(RequestReaderTest, WhatFollowsARequestIsLeftAlone) {
  for (const std::string& text : kGood) {
    EXPECT_EQ(ReadRequest(text + "GET /next HTTP/1.1\r\n").consumed, text.size()) << text;
  }
}

TEST(RequestReaderTest, EverySplitIsTheSameRequest) {
  for (const std::string& text : kGood) {
    const Outcome whole = ReadRequest(text);
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      EXPECT_EQ(ReadRequest(text, {cut}), whole) << text << " cut at " << cut;
    }
    std::vector<size_t> every;
    for (size_t i = 0; i <= text.size(); ++i) every.push_back(i);
    EXPECT_EQ(ReadRequest(text, every), whole) << text << " byte by byte";
  }
}

TEST(RequestReaderTest, EveryPrefixWaitsForMore) {
  for (const std::string& text : kGood) {
    for (size_t size = 0; size < text.size(); ++size) {
      const Outcome outcome = ReadRequest(text.substr(0, size));
      EXPECT_TRUE(outcome.state == RequestReader::State::kHead ||
                  outcome.state == RequestReader::State::kBody)
          << text << " up to " << size;
    }
  }
}

// Damages a message at a few places: other bytes, doubled, removed and exchanged pieces.
std::string Damage(std::string text, std::mt19937* random) {
  static constexpr std::string_view kInteresting("\r\n\t :;,0aF/\0\x7f\xff", 14);
  const auto below = [&](size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(*random);
  };
  const size_t damages = 1 + below(4);
  for (size_t i = 0; i < damages && !text.empty(); ++i) {
    const size_t at = below(text.size());
    const size_t length = 1 + below(std::min<size_t>(8, text.size() - at));
    switch (below(4)) {
      case 0:
        text[at] = kInteresting[below(kInteresting.size())];
        break;
      case 1:
        text.insert(at, text.substr(at, length));
        break;
      case 2:
        text.erase(at, length);
        break;
      default:
        text.insert(at, 1, kInteresting[below(kInteresting.size())]);
        break;
    }
  }
  return text;
}

std::vector<size_t> RandomCuts(size_t size, std::mt19937* random) {
  std::vector<size_t> cuts;
  size_t at = 0;
  while (at < size) {
    at += 1 + std::uniform_int_distribution<size_t>(0, 20)(*random);
    cuts.push_back(std::min(at, size));
  }
  return cuts;
}

TEST(RequestReaderTest, DamagedRequestsAreJudgedTheSameHoweverTheyCome) {
  std::mt19937 random(20261124);
  size_t done = 0;
  size_t refused = 0;
  for (int round = 0; round < 3000; ++round) {
    for (const std::string& good : kGood) {
      const std::string text = Damage(good, &random);
      const Outcome whole = ReadRequest(text);
      done += whole.state == RequestReader::State::kDone ? 1 : 0;
      refused += whole.state == RequestReader::State::kRefused ? 1 : 0;
      const Outcome pieces = ReadRequest(text, RandomCuts(text.size(), &random));
      // When a fault is seen may depend on what has come; what is let in may not.
      constexpr auto kDone = RequestReader::State::kDone;
      ASSERT_EQ(pieces.state == kDone, whole.state == kDone) << testing::PrintToString(text);
      if (whole.state == kDone) {
        ASSERT_EQ(pieces, whole) << testing::PrintToString(text);
      }
    }
  }
  EXPECT_GT(done, 100u) << "the damage leaves some whole";
  EXPECT_GT(refused, 100u);
}

TEST(RequestReaderTest, EndlessInputIsRefusedEarly) {
  const std::string heads[] = {
      "",
      "GET /",
      "GET / HTTP/1.1\r\nHost: x\r\nX: ",
      "GET / HTTP/1.1\r\nHost: x\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"};
  const std::string tails[] = {"a", "a: b\r\n", "\r\n", " ", "1\r\nx\r\n", "0"};
  for (const std::string& head : heads) {
    for (const std::string& tail : tails) {
      std::string text = head;
      while (text.size() < 64 * 1024) text += tail;
      std::vector<size_t> cuts;
      for (size_t i = 16; i < text.size(); i += 16) cuts.push_back(i);
      const Outcome outcome = ReadRequest(text, cuts);
      EXPECT_TRUE(outcome.state == RequestReader::State::kRefused ||
                  outcome.state == RequestReader::State::kDone)
          << testing::PrintToString(head) << ' ' << testing::PrintToString(tail);
    }
  }
}

// The same for answers.
struct Answer {
  ResponseReader::State state;
  unsigned status = 0;
  std::string body;

  bool operator==(const Answer&) const = default;
};

Answer ReadResponse(std::string_view bytes, const std::vector<size_t>& cuts = {}) {
  ResponseReader reader(false, 256);
  size_t consumed = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t available = i < cuts.size() ? cuts[i] : bytes.size();
    const size_t taken = reader.Feed(bytes.substr(consumed, available - consumed));
    EXPECT_LE(taken, available - consumed);
    consumed += taken;
    if (reader.state() != ResponseReader::State::kReading) break;
  }
  reader.End();
  Answer answer{};
  answer.state = reader.state();
  EXPECT_NE(answer.state, ResponseReader::State::kReading) << "the end decides";
  if (answer.state == ResponseReader::State::kDone) {
    const Response response = reader.Take();
    answer.status = response.status;
    answer.body = response.body;
    EXPECT_LE(answer.body.size(), 256u);
  } else {
    EXPECT_FALSE(reader.failure().empty());
  }
  return answer;
}

const std::string kAnswers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0 500 \r\n\r\nuntil the end",
};

TEST(ResponseReaderTest, EverySplitIsTheSameAnswer) {
  for (const std::string& text : kAnswers) {
    const Answer whole = ReadResponse(text);
    EXPECT_EQ(whole.state, ResponseReader::State::kDone) << text;
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      EXPECT_EQ(ReadResponse(text, {cut}), whole) << text << " cut at " << cut;
    }
  }
}

TEST(ResponseReaderTest, DamagedAnswersAreJudgedTheSameHoweverTheyCome) {
  std::mt19937 random(20261125);
  for (int round = 0; round < 3000; ++round) {
    for (const std::string& good : kAnswers) {
      const std::string text = Damage(good, &random);
      ASSERT_EQ(ReadResponse(text, RandomCuts(text.size(), &random)), ReadResponse(text))
          << testing::PrintToString(text);
    }
  }
}

}  // namespace
}  // namespace sandgate::http
