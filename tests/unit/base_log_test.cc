#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/log.h"

namespace sandgate::base {
namespace {

using Json = nlohmann::json;

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogSink([this](const std::string& line) { lines_.push_back(line); });
  }
  void TearDown() override {
    SetLogSink(nullptr);
    SetLogLevel(LogLevel::kInfo);
  }
  Json Only() {
    EXPECT_EQ(lines_.size(), 1u);
    return Json::parse(lines_.at(0));
  }
  std::vector<std::string> lines_;
};

// What a reader of the JSON gets for bytes: each as the code point of its number.
std::string AsCodePoints(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0 | (byte >> 6)));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return out;
}

TEST_F(LogTest, OneObjectALine) {
  LogWarning("pod lost", {{"sandbox", "agents/a"}, {"count", 3}, {"big", uint64_t{1} << 63}});
  const Json line = Only();
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["msg"], "pod lost");
  EXPECT_EQ(line["sandbox"], "agents/a");
  EXPECT_EQ(line["count"], "3");
  EXPECT_EQ(line["big"], "9223372036854775808");
  EXPECT_TRUE(ParseTime(line["time"].get<std::string>()).has_value());
  EXPECT_EQ(lines_[0].back(), '\n');
}

TEST_F(LogTest, NoInputForgesALineOrAMember) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  const std::string hostile[] = {
      all,
      "x\"}\n{\"level\":\"error\",\"msg\":\"forged\"}",
      "\\\",\"a\":\"b",
      "\xe2\x80\xa8",  // a line separator to some readers
      "\x1b[2J",
  };
  for (const std::string& value : hostile) {
    lines_.clear();
    LogInfo(value, {{value, value}, {"error", value}});
    const Json line = Only();
    EXPECT_EQ(lines_[0].find('\n'), lines_[0].size() - 1);
    for (const char c : lines_[0]) {
      EXPECT_TRUE((c >= 0x20 && c < 0x7f) || c == '\n');
    }
    EXPECT_EQ(line["msg"], AsCodePoints(value));
    EXPECT_EQ(line["error"], AsCodePoints(value));
    EXPECT_EQ(line[AsCodePoints(value)], AsCodePoints(value));
    EXPECT_EQ(line.size(), 5u);
  }
}

TEST_F(LogTest, ValuesAreCut) {
  LogInfo("x", {{"long", std::string(100'000, 'y')}});
  EXPECT_EQ(Only()["long"].get<std::string>().size(), 4096u);
}

TEST_F(LogTest, LevelsBelowTheChosenAreDropped) {
  Log(LogLevel::kDebug, "quiet");
  EXPECT_TRUE(lines_.empty());
  SetLogLevel(LogLevel::kDebug);
  Log(LogLevel::kDebug, "loud");
  EXPECT_EQ(Only()["level"], "debug");
  SetLogLevel(LogLevel::kError);
  LogWarning("dropped");
  LogError("kept");
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(LogTest, ThreadsNeverMixTheirLines) {
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < kLines; ++i) LogInfo("line", {{"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(lines_.size(), static_cast<size_t>(kThreads * kLines));
  for (const std::string& line : lines_) EXPECT_EQ(Json::parse(line)["msg"], "line");
}

}  // namespace
}  // namespace sandgate::base
