// The list-and-watch machine: what each event does in each state, and the whole of it against the
// API server in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include "libs/kube/informer.h"
#include "libs/kube/watch_state.h"
#include "tests/support/fake_transport.h"

namespace sandgate::kube {
namespace {

using api::Json;
using sandgate::testing::FakeTransport;

Json Object(const std::string& name, const std::string& version) {
  return {{"metadata", {{"namespace", "ns"}, {"name", name}, {"resourceVersion", version}}}};
}

ListPage Page(std::vector<Json> items, const std::string& version, const std::string& more = "") {
  ListPage page;
  page.items = std::move(items);
  page.resource_version = version;
  page.continue_token = more;
  return page;
}

base::Status Failure(base::Code code) {
  return base::Status(code, "test");
}

TEST(KubeWatchState, PagesBecomeOneStoreAndThenAWatch) {
  WatchStep step = StartWatching();
  EXPECT_EQ(std::get<ListNext>(step.action.next).continue_token, "");
  step = Step(std::move(step.state), PageCame{Page({Object("a", "1")}, "5", "more")}, 0);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(step.action.store));  // half a list is no list
  EXPECT_EQ(std::get<ListNext>(step.action.next).continue_token, "more");
  step = Step(std::move(step.state), PageCame{Page({Object("b", "2")}, "5")}, 0);
  EXPECT_EQ(std::get<ReplaceAll>(step.action.store).objects.size(), 2U);
  EXPECT_EQ(std::get<OpenWatch>(step.action.next).resource_version, "5");
}

TEST(KubeWatchState, AFailureBetweenPagesBeginsAnew) {
  WatchStep step = StartWatching();
  step = Step(std::move(step.state), PageCame{Page({Object("a", "1")}, "5", "more")}, 0);
  step = Step(std::move(step.state), CallFailed{Failure(base::Code::kUnavailable)}, 0);
  EXPECT_TRUE(std::holds_alternative<Wait>(step.action.next));
  step = Step(std::move(step.state), WaitOver{}, 0);
  EXPECT_EQ(std::get<ListNext>(step.action.next).continue_token, "");
  step = Step(std::move(step.state), PageCame{Page({Object("b", "2")}, "6")}, 0);
  EXPECT_EQ(std::get<ReplaceAll>(step.action.store).objects.size(), 1U);
}

TEST(KubeWatchState, EventsMoveTheVersion) {
  WatchStep step = Step(Watching{"5"}, ObjectCame{Object("a", "7")}, 0);
  EXPECT_TRUE(std::holds_alternative<Upsert>(step.action.store));
  EXPECT_EQ(std::get<Watching>(step.state).resource_version, "7");
  step = Step(std::move(step.state), ObjectWent{Object("a", "8")}, 0);
  EXPECT_TRUE(std::holds_alternative<Remove>(step.action.store));
  step = Step(std::move(step.state), BookmarkCame{"20"}, 0);
  EXPECT_TRUE(std::holds_alternative<ReadOn>(step.action.next));
  step = Step(std::move(step.state), StreamEnded{true}, 0);
  EXPECT_EQ(std::get<OpenWatch>(step.action.next).resource_version, "20");
}

TEST(KubeWatchState, HowAWatchMayEnd) {
  struct Row {
    base::Code code;
    const char* resume;  // "" = list anew
  };
  const Row rows[] = {
      {base::Code::kGone, ""},
      {base::Code::kUnavailable, "9"},
      {base::Code::kInternal, "9"},
      {base::Code::kDeadlineExceeded, "9"},
      {base::Code::kInvalidArgument, ""},
      {base::Code::kPermissionDenied, ""},
      {base::Code::kUnauthenticated, ""},
      {base::Code::kResourceExhausted, ""},
  };
  for (const Row& row : rows) {
    WatchStep step = Step(Watching{"9"}, CallFailed{Failure(row.code)}, 0);
    EXPECT_TRUE(std::holds_alternative<Wait>(step.action.next)) << base::CodeName(row.code);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(step.action.store));
    step = Step(std::move(step.state), WaitOver{}, 0);
    if (*row.resume == '\0') {
      EXPECT_TRUE(std::holds_alternative<ListNext>(step.action.next)) << base::CodeName(row.code);
    } else {
      EXPECT_EQ(std::get<OpenWatch>(step.action.next).resource_version, row.resume);
    }
  }
}

TEST(KubeWatchState, WaitsGrowToALimitAndAreSpread) {
  WatchState state = Listing{};
  std::chrono::milliseconds last{0};
  for (int i = 0; i < 20; ++i) {
    WatchStep failed = Step(std::move(state), CallFailed{Failure(base::Code::kUnavailable)}, 0);
    const auto delay = std::get<Wait>(failed.action.next).delay;
    EXPECT_GE(delay, last);
    EXPECT_GE(delay, kMinWatchBackoff);
    EXPECT_LE(delay, kMaxWatchBackoff);
    last = delay;
    state = Step(std::move(failed.state), WaitOver{}, 0).state;
  }
  EXPECT_GT(last, std::chrono::seconds(10));
  const auto spread =
      Step(Listing{{}, "", 20}, CallFailed{Failure(base::Code::kUnavailable)}, 0.99);
  EXPECT_GT(std::get<Wait>(spread.action.next).delay, last);
  EXPECT_LE(std::get<Wait>(spread.action.next).delay, kMaxWatchBackoff);
}

// A server that ends every watch at once must not be asked in a busy loop.
TEST(KubeWatchState, AWatchThatEndsAtOnceWaits) {
  const WatchStep step = Step(Watching{"9"}, StreamEnded{false}, 0);
  EXPECT_TRUE(std::holds_alternative<Wait>(step.action.next));
  EXPECT_EQ(std::get<BackingOff>(step.state).resume_version, "9");
}

TEST(KubeWatchState, Lines) {
  const std::string meta = R"("metadata":{"name":"a","resourceVersion":"3"})";
  const auto line = [&](const char* type) {
    return std::string(R"({"type":")") + type + R"(","object":{)" + meta + "}}";
  };
  EXPECT_TRUE(std::holds_alternative<ObjectCame>(ParseWatchLine(line("ADDED"))));
  EXPECT_TRUE(std::holds_alternative<ObjectCame>(ParseWatchLine(line("MODIFIED"))));
  EXPECT_TRUE(std::holds_alternative<ObjectWent>(ParseWatchLine(line("DELETED"))));
  EXPECT_TRUE(std::holds_alternative<BookmarkCame>(ParseWatchLine(line("BOOKMARK"))));
  const WatchEvent gone = ParseWatchLine(
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})");
  EXPECT_EQ(std::get<CallFailed>(gone).status.code(), base::Code::kGone);
  for (const char* bad :
       {"", "{", "[]", "null", R"({"type":"ADDED"})", R"({"type":"ADDED","object":3})",
        R"({"type":"ADDED","object":{}})", R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})",
        R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"3"}}})",
        R"({"type":"EXPLODED","object":{"metadata":{"name":"a","resourceVersion":"3"}}})"}) {
    EXPECT_TRUE(std::holds_alternative<CallFailed>(ParseWatchLine(bad))) << bad;
  }
}

// The names in an informer's store, for tests that wait until it is as it should be.
class Mirror {
 public:
  explicit Mirror(const std::shared_ptr<FakeTransport>& fake)
      : informer_(
            Api(fake), Options(), [](const Json& json) { return base::Result<Json>(json); },
            [this](const Key& key, const auto& /*before*/, const auto& after) {
              const std::lock_guard<std::mutex> lock(mutex_);
              if (after) {
                seen_[key.name] = api::StringOr(api::Member(*after, "spec"), "v");
              } else {
                seen_.erase(key.name);
              }
              changed_.notify_all();
            }) {
    informer_.Start();
  }
  ~Mirror() { informer_.Stop(); }

  // Waits; ctest's own timeout ends it when the store never gets there.
  void WaitFor(const std::map<std::string, std::string>& wanted) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return seen_ == wanted; });
  }
  size_t size() const { return informer_.List().size(); }

 private:
  static ReflectorOptions Options() {
    ReflectorOptions options;
    options.resource = kExecutions;
    return options;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> seen_;  // guarded by mutex_
  Informer<Json> informer_;
};

Json Stored(const std::string& name, const std::string& value) {
  return {{"metadata", {{"namespace", "ns"}, {"name", name}}}, {"spec", {{"v", value}}}};
}

TEST(KubeInformer, FollowsThroughEveryKindOfBreak) {
  const auto fake = std::make_shared<FakeTransport>();
  fake->Put(kExecutions, Stored("a", "1"));
  Mirror mirror(fake);
  mirror.WaitFor({{"a", "1"}});
  fake->WaitForWatches(1);
  fake->Put(kExecutions, Stored("a", "2"));
  fake->Put(kExecutions, Stored("b", "1"));
  mirror.WaitFor({{"a", "2"}, {"b", "1"}});
  fake->CloseWatches();  // resumed
  fake->Remove(kExecutions, "ns", "a");
  mirror.WaitFor({{"b", "1"}});
  fake->Compact(false);  // HTTP 410: listed anew, and what went meanwhile is gone
  fake->CloseWatches();
  fake->Put(kExecutions, Stored("c", "1"));
  fake->Remove(kExecutions, "ns", "b");
  fake->Compact(false);
  mirror.WaitFor({{"c", "1"}});
  fake->Put(kExecutions, Stored("d", "1"));
  fake->Compact(true);  // 410 as an ERROR event
  fake->CloseWatches();
  mirror.WaitFor({{"c", "1"}, {"d", "1"}});
  EXPECT_EQ(mirror.size(), 2U);
}

}  // namespace
}  // namespace sandgate::kube
