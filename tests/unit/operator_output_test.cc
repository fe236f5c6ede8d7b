#include <gtest/gtest.h>
#include <zlib.h>

#include "libs/base/ids.h"
#include "operator/latest.h"
#include "operator/output_store.h"
#include "operator/settings.h"

namespace sandgate::op {
namespace {

api::Execution SomeExecution() {
  api::Execution execution;
  execution.meta.ns = "agents";
  execution.meta.name = "e1";
  execution.meta.uid = "uid-1";
  return execution;
}

// What a reader does: join, unpack.
std::string Unpack(const StreamPlan& plan) {
  std::string packed;
  for (const api::Json& map : plan.maps) {
    packed += *api::Base64Decode(map["binaryData"]["data"].get<std::string>());
  }
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string text(static_cast<size_t>(plan.ref->bytes) + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

// Does not get smaller by packing.
std::string Noise(size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += base::RandomHex(4096);
  text.resize(bytes);
  return text;
}

TEST(PlanStream, KeepsSmallOutputInline) {
  for (const size_t size : {size_t{0}, size_t{1}, kInlineOutputBytes}) {
    const StreamPlan plan = PlanStream(SomeExecution(), "stdout", std::string(size, 'x'));
    EXPECT_EQ(plan.inline_text.size(), size);
    EXPECT_FALSE(plan.ref.has_value());
    EXPECT_TRUE(plan.maps.empty());
    EXPECT_FALSE(plan.replaced);
  }
}

TEST(PlanStream, KeepsLargeOutputWholeInOwnedImmutableConfigMaps) {
  const std::string text = Noise(3 * 1024 * 1024);
  const StreamPlan plan = PlanStream(SomeExecution(), "stderr", text);
  ASSERT_TRUE(plan.ref.has_value());
  EXPECT_GT(plan.maps.size(), 1u);
  EXPECT_EQ(plan.ref->bytes, static_cast<int64_t>(text.size()));
  EXPECT_EQ(plan.ref->sha256, base::Sha256Hex(text));
  EXPECT_EQ(plan.inline_text, text.substr(0, kInlineOutputBytes));
  EXPECT_EQ(Unpack(plan), text);
  for (size_t i = 0; i < plan.maps.size(); ++i) {
    const api::Json& map = plan.maps[i];
    EXPECT_TRUE(map["immutable"].get<bool>());
    EXPECT_EQ(map["metadata"]["name"], plan.ref->config_maps[i]);
    EXPECT_TRUE(api::MetaFromJson(map).OwnedBy("uid-1"));
    EXPECT_LE(api::Base64Decode(map["binaryData"]["data"].get<std::string>())->size(),
              kConfigMapBytes);
  }
}

// The same result gives the same objects, so that a repetition after a crash finds its own.
TEST(PlanStream, IsTheSameEveryTime) {
  const std::string text = Noise(2 * 1024 * 1024);
  EXPECT_EQ(PlanStream(SomeExecution(), "stdout", text).maps,
            PlanStream(SomeExecution(), "stdout", text).maps);
  api::Execution other = SomeExecution();
  other.meta.uid = "uid-2";
  EXPECT_NE(PlanStream(other, "stdout", text).ref->config_maps,
            PlanStream(SomeExecution(), "stdout", text).ref->config_maps);
}

TEST(PlanStream, ReplacesWhatIsNoTextAndNeverCutsACharacter) {
  const StreamPlan replaced = PlanStream(SomeExecution(), "stdout", "a\xff");
  EXPECT_TRUE(replaced.replaced);
  EXPECT_EQ(replaced.inline_text, "a\xef\xbf\xbd");

  std::string text(kInlineOutputBytes - 1, 'x');
  text += "\xc3\xbc tail";
  const StreamPlan plan = PlanStream(SomeExecution(), "stdout", text);
  EXPECT_EQ(plan.inline_text, std::string(kInlineOutputBytes - 1, 'x'));
  EXPECT_FALSE(plan.replaced);
  EXPECT_EQ(Unpack(plan), text);
}

TEST(IsNewer, ComparesAsTheApiServerCounts) {
  EXPECT_TRUE(IsNewer("10", "9"));
  EXPECT_FALSE(IsNewer("9", "10"));
  EXPECT_FALSE(IsNewer("9", "9"));
  EXPECT_FALSE(IsNewer("x", "9"));
  EXPECT_FALSE(IsNewer("9", ""));
}

std::shared_ptr<const api::Execution> At(const char* uid, const char* version) {
  api::Execution execution = SomeExecution();
  execution.meta.uid = uid;
  execution.meta.resource_version = version;
  return std::make_shared<const api::Execution>(execution);
}

TEST(Latest, OwnWritesCountUntilTheCacheHasThem) {
  Latest<api::Execution> latest;
  const kube::Key key{"agents", "e1"};
  const auto old = At("u", "5"), mine = At("u", "7"), newer = At("u", "8");
  EXPECT_EQ(latest.Pick(key, old), old);
  latest.Wrote(key, mine);
  EXPECT_EQ(latest.Pick(key, old), mine);
  EXPECT_EQ(latest.Pick(key, nullptr), nullptr) << "what the cache lost is gone";
  EXPECT_EQ(latest.Pick(key, newer), newer);
  EXPECT_EQ(latest.Own(key), nullptr) << "an old write is forgotten";
}

TEST(Latest, AnotherObjectOfTheSameNameIsNotOurs) {
  Latest<api::Execution> latest;
  const kube::Key key{"agents", "e1"};
  latest.Wrote(key, At("first", "9"));
  const auto second = At("second", "4");
  EXPECT_EQ(latest.Pick(key, second), second);
}

}  // namespace
}  // namespace sandgate::op
