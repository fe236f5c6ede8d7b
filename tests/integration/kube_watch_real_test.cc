// Watches of a real API server, through everything that breaks them.
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include "libs/kube/informer.h"
#include "libs/kube/watch_state.h"
#include "tests/integration/kube_integration_env.h"
#include "tests/support/tcp_proxy.h"

namespace sandgate::kube {
namespace {

using api::Json;
using base::Code;
using std::chrono::seconds;

Json ConfigMap(const std::string& name, const std::string& value) {
  return {{"metadata", {{"name", name}, {"labels", {{"w", "1"}}}}}, {"data", {{"v", value}}}};
}

// Follows ConfigMaps with the label and lets the test wait for a state of the store.
class Mirror {
 public:
  Mirror(Api api, const std::string& ns)
      : informer_(
            std::move(api), Options(ns), [](const Json& json) { return base::Result<Json>(json); },
            [this](const Key& key, const auto&, const auto& after) {
              const std::lock_guard<std::mutex> lock(mutex_);
              if (after) {
                seen_[key.name] = (*after)["data"]["v"];
              } else {
                seen_.erase(key.name);
              }
              changed_.notify_all();
            }) {
    informer_.Start();
  }
  ~Mirror() { informer_.Stop(); }
  void WaitFor(const std::map<std::string, std::string>& wanted) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return seen_ == wanted; });
  }

 private:
  static ReflectorOptions Options(const std::string& ns) {
    ReflectorOptions options;
    options.resource = kConfigMaps;
    options.ns = ns;
    options.label_selector = "w=1";
    return options;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> seen_;  // guarded by mutex_
  Informer<Json> informer_;
};

struct RealWatch : ::testing::Test {
  Api api{RealTransport()};
  std::string ns = NewNamespace(api);

  void Set(const std::string& name, const std::string& value) {
    if (api.Create(kConfigMaps, ns, ConfigMap(name, value)).ok()) return;
    const auto patched =
        api.Patch(kConfigMaps, ns, name, PatchType::kMerge, {{"data", {{"v", value}}}});
    ASSERT_TRUE(patched.ok()) << patched.status().ToString();
  }
};

TEST_F(RealWatch, TheServerEndsItAndItIsResumed) {
  ListOptions options;
  options.resource_version = api.List(kConfigMaps, ns, {})->resource_version;
  Set("a", "1");
  WatchState state = Watching{options.resource_version};
  const auto follow = [&] {
    return api.Watch(kConfigMaps, ns, options, seconds(1), seconds(60), {},
                     [&](std::string_view line) {
                       state = Step(state, ParseWatchLine(line), 0).state;
                       return true;
                     });
  };
  base::Status ended = follow();
  EXPECT_TRUE(ended.ok()) << ended.ToString();  // after one second, by the server
  const std::string first = std::get<Watching>(state).resource_version;
  EXPECT_NE(first, options.resource_version);
  const auto patched = api.Patch(kConfigMaps, ns, "a", PatchType::kMerge, {{"data", {{"v", "2"}}}});
  ASSERT_TRUE(patched.ok());
  options.resource_version = first;
  ended = follow();
  EXPECT_TRUE(ended.ok()) << ended.ToString();
  // At least as new as the change (a bookmark may have moved it on).
  EXPECT_GE(std::stoll(std::get<Watching>(state).resource_version),
            std::stoll((*patched)["metadata"]["resourceVersion"].get<std::string>()));
}

TEST_F(RealWatch, AVersionTooOldIsGone) {
  ListOptions options;
  options.resource_version = "1";  // older than the API server's memory of this kind
  WatchEvent last = StreamEnded{};
  base::Status status;
  do {  // 429 while the API server still fills its memory of a new kind
    status = api.Watch(kExecutions, ns, options, seconds(30), seconds(60), {},
                       [&](std::string_view line) {
                         last = ParseWatchLine(line);
                         return false;
                       });
  } while (status.code() == Code::kResourceExhausted);
  // As the HTTP status or as an ERROR event: the API server does both.
  const auto* failed = std::get_if<CallFailed>(&last);
  EXPECT_EQ(failed != nullptr ? failed->status.code() : status.code(), Code::kGone)
      << status.ToString();
}

TEST_F(RealWatch, AnInformerSurvivesCutsAndOutages) {
  rest::Config config = RealConfig();
  const size_t colon = config.base_url.rfind(':');
  testing::TcpProxy proxy(std::stoi(config.base_url.substr(colon + 1)));
  config.base_url = "https://127.0.0.1:" + std::to_string(proxy.port());
  const Api through(std::shared_ptr<rest::Transport>(*rest::CreateTransport(config)));
  Set("a", "1");
  Mirror mirror(through, ns);
  mirror.WaitFor({{"a", "1"}});
  for (int i = 2; i < 6; ++i) {
    proxy.Cut();
    Set("a", std::to_string(i));
    Set("b" + std::to_string(i), "x");
    mirror.WaitFor(i == 2 ? std::map<std::string, std::string>{{"a", "2"}, {"b2", "x"}}
                          : std::map<std::string, std::string>{{"a", std::to_string(i)},
                                                               {"b" + std::to_string(i), "x"}});
    ASSERT_TRUE(api.Delete(kConfigMaps, ns, "b" + std::to_string(i), {}).ok());
    mirror.WaitFor({{"a", std::to_string(i)}});
  }
  proxy.Refuse(true);
  proxy.Cut();
  Set("a", "9");
  Set("c", "1");
  proxy.Refuse(false);
  mirror.WaitFor({{"a", "9"}, {"c", "1"}});
}

TEST_F(RealWatch, StopDoesNotWaitForTheServer) {
  Set("a", "1");
  Mirror mirror(api, ns);
  mirror.WaitFor({{"a", "1"}});
  // The watch is silent for minutes; the destructor must end it now (ctest's limit is the judge).
}

TEST_F(RealWatch, ManyIdleWatchesLeaveRoomForCalls) {
  std::vector<std::unique_ptr<Mirror>> mirrors;
  Set("a", "1");
  for (int i = 0; i < 40; ++i) mirrors.push_back(std::make_unique<Mirror>(api, ns));
  for (const auto& mirror : mirrors) mirror->WaitFor({{"a", "1"}});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(api.Get(kConfigMaps, ns, "a").ok());
  Set("a", "2");
  for (const auto& mirror : mirrors) mirror->WaitFor({{"a", "2"}});
}

}  // namespace
}  // namespace sandgate::kube
