#include "libs/kube/reflector.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "libs/base/log.h"
#include "libs/kube/watch_state.h"

namespace sandgate::kube {
namespace {

constexpr int kPageLimit = 500;
constexpr std::chrono::seconds kServerTimeout{290};
// The API server sends a bookmark about once a minute: two missed ones mean that nobody is there.
constexpr std::chrono::seconds kIdle{150};
// A watch that ended sooner than this counts as a failure, so that it cannot become a busy loop.
constexpr std::chrono::seconds kLivedAtLeast{5};

double Random() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

}  // namespace

class Reflector::Impl {
 public:
  Impl(Api api, ReflectorOptions options, ReflectorCallbacks callbacks)
      : api_(std::move(api)), options_(std::move(options)), callbacks_(std::move(callbacks)) {}

  void Start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  void Stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
  }
  bool HasSynced() const { return synced_.load(std::memory_order_acquire); }

 private:
  void Run(const std::stop_token& stop) {
    const Api api = api_.WithStop(stop);
    WatchStep first = StartWatching();
    state_ = std::move(first.state);
    NextCall next = std::move(first.action.next);
    while (!stop.stop_requested()) {
      next = std::visit([&](const auto& call) { return Perform(call, api, stop); }, next);
    }
  }

  NextCall Perform(const ListNext& call, const Api& api, const std::stop_token& stop) {
    ListOptions list;
    list.label_selector = options_.label_selector;
    list.field_selector = options_.field_selector;
    list.limit = kPageLimit;
    list.continue_token = call.continue_token;
    base::Result<ListPage> page = api.List(options_.resource, options_.ns, list);
    if (page.ok()) return Take(PageCame{std::move(page).value()});
    if (!stop.stop_requested()) Warn("list failed", page.status());
    return Take(CallFailed{page.status()});
  }

  NextCall Perform(const OpenWatch& call, const Api& api, const std::stop_token& stop) {
    ListOptions watch;
    watch.label_selector = options_.label_selector;
    watch.field_selector = options_.field_selector;
    watch.resource_version = call.resource_version;
    const auto opened = std::chrono::steady_clock::now();
    NextCall next = ReadOn{};
    const base::Status status =
        api.Watch(options_.resource, options_.ns, watch, kServerTimeout, kIdle, stop,
                  [&](std::string_view line) {
                    next = Take(ParseWatchLine(line));
                    return std::holds_alternative<ReadOn>(next) && !stop.stop_requested();
                  });
    // What a line decided (an ERROR event) comes before how the stream ended.
    if (!std::holds_alternative<ReadOn>(next)) return next;
    if (status.ok()) {
      return Take(StreamEnded{std::chrono::steady_clock::now() - opened >= kLivedAtLeast});
    }
    if (!stop.stop_requested()) Warn("watch ended", status);
    return Take(CallFailed{status});
  }

  NextCall Perform(const Wait& call, const Api& /*api*/, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, call.delay, [] { return false; });
    return Take(WaitOver{});
  }

  // Reached only if the machine said to read on while no watch was open: never.
  NextCall Perform(const ReadOn& /*call*/, const Api& /*api*/, const std::stop_token& /*stop*/) {
    return Take(StreamEnded{});
  }

  // One step of the machine; its change goes to the store at once.
  NextCall Take(WatchEvent event) {
    WatchStep step = Step(std::move(state_), std::move(event), Random());
    state_ = std::move(step.state);
    StoreChange& change = step.action.store;
    if (auto* all = std::get_if<ReplaceAll>(&change)) {
      callbacks_.replace(std::move(all->objects));
      synced_.store(true, std::memory_order_release);
    } else if (auto* one = std::get_if<Upsert>(&change)) {
      callbacks_.upsert(std::move(one->object));
    } else if (auto* gone = std::get_if<Remove>(&change)) {
      callbacks_.remove(std::move(gone->object));
    }
    return std::move(step.action.next);
  }

  void Warn(const char* what, const base::Status& status) const {
    base::LogWarning(what, {{"resource", options_.resource.plural}, {"error", status.ToString()}});
  }

  const Api api_;
  const ReflectorOptions options_;
  const ReflectorCallbacks callbacks_;
  std::atomic<bool> synced_{false};
  WatchState state_;  // of thread_ alone
  std::jthread thread_;
};

Reflector::Reflector(Api api, ReflectorOptions options, ReflectorCallbacks callbacks)
    : impl_(std::make_unique<Impl>(std::move(api), std::move(options), std::move(callbacks))) {}
Reflector::~Reflector() {
  impl_->Stop();
}
void Reflector::Start() {
  impl_->Start();
}
void Reflector::Stop() {
  impl_->Stop();
}
bool Reflector::HasSynced() const {
  return impl_->HasSynced();
}

}  // namespace sandgate::kube
