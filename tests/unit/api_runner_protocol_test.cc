#include <gtest/gtest.h>

#include "libs/api/runner_protocol.h"

namespace sandgate::api {
namespace {

Json RequestJson() {
  RunRequest request;
  request.boot_id = "boot";
  request.code = std::string("print(1)\0\xff", 10);
  request.timeout_millis = 3000;
  request.memory_bytes = 512 << 20;
  request.output_bytes = 1 << 20;
  return ToJson(request);
}

Json StateJson() {
  RunState state;
  state.run_id = "r1";
  state.finished = state.started = true;
  state.exit_code = 137;
  state.out = std::string("a\0\xfe", 3);
  state.err = "b";
  return ToJson(state);
}

TEST(Base64, KnownVectorsAndRefusals) {
  const struct {
    std::string bytes, text;
  } kVectors[] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
                  {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {std::string("\0\xff", 2), "AP8="}};
  for (const auto& one : kVectors) {
    EXPECT_EQ(Base64Encode(one.bytes), one.text);
    EXPECT_EQ(Base64Decode(one.text), one.bytes);
  }
  for (const char* bad : {"Z", "Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", " Zm9v", "Zm-_",
                          "Zm9vZm9v\n\n\n\n", "=Zm9"}) {
    EXPECT_FALSE(Base64Decode(bad).has_value()) << bad;
  }
}

TEST(RunRequest, SurvivesARoundTripByteForByte) {
  const auto read = RunRequestFromJson(RequestJson());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->code, std::string("print(1)\0\xff", 10));
  EXPECT_EQ(ToJson(*read), RequestJson());
}

TEST(RunRequest, NamesTheMemberThatIsWrong) {
  const struct {
    const char* key;
    Json value;
  } kCases[] = {
      {"bootId", ""},
      {"bootId", 7},
      {"bootId", std::string(129, 'x')},
      {"operation", "Explode"},
      {"language", "cobol"},
      {"code", ""},
      {"code", "!!!"},
      {"timeoutMillis", 0},
      {"timeoutMillis", -1},
      {"timeoutMillis", 1.5},
      {"timeoutMillis", "3"},
      {"timeoutMillis", 86'400'001},
      {"graceMillis", -1},
      {"memoryBytes", 0},
      {"outputBytes", 0},
      {"outputBytes", kMaxOutputBytes + 1},
  };
  for (const auto& one : kCases) {
    Json json = RequestJson();
    json[one.key] = one.value;
    const auto refused = RunRequestFromJson(json);
    ASSERT_FALSE(refused.ok()) << one.key << " = " << one.value;
    EXPECT_EQ(refused.status().message().rfind(one.key, 0), 0u) << refused.status().message();
  }
}

// The runner is untrusted: its answers are bounded and typed before anybody looks at them.
TEST(RunState, RefusesAnAnswerOutOfBounds) {
  ASSERT_TRUE(RunStateFromJson(StateJson(), 100).ok());
  const struct {
    const char* key;
    Json value;
  } kCases[] = {
      {"runId", nullptr},
      {"outcome", "Fine"},
      {"exitCode", 256},
      {"exitCode", -2},
      {"exitCode", "0"},
      {"stdout", "?"},
      {"stderr", Base64Encode(std::string(200, 'x'))},
      {"durationMillis", -1},
      {"durationMillis", 1e300},
  };
  for (const auto& one : kCases) {
    Json json = StateJson();
    json[one.key] = one.value;
    EXPECT_FALSE(RunStateFromJson(json, 100).ok()) << one.key << " = " << one.value;
  }
  EXPECT_FALSE(RunStateFromJson(Json::array(), 100).ok());
}

TEST(RunState, AnUnfinishedRunHasNoResult) {
  RunState state;
  state.run_id = "r1";
  state.started = true;
  const auto read = RunStateFromJson(ToJson(state), 100);
  ASSERT_TRUE(read.ok());
  EXPECT_FALSE(read->finished);
  EXPECT_TRUE(read->started);
}

}  // namespace
}  // namespace sandgate::api
