#include "libs/kube/leader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "libs/base/log.h"
#include "libs/kube/leader_logic.h"

namespace sandgate::kube {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kReleaseDeadline{2'000};
constexpr double kJitter = 0.2;  // of the retry period, so that candidates do not march in step

}  // namespace

class LeaderElector::Impl {
 public:
  Impl(Api api, LeaderOptions options, std::function<void()> on_started,
       std::function<void()> on_stopped)
      : api_(std::move(api)),
        options_(std::move(options)),
        on_started_(std::move(on_started)),
        on_stopped_(std::move(on_stopped)) {}

  void Start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
    if (leading_until_.exchange(0) != 0) Release();
  }

  // Not only what the thread knows: it may be stuck in a call while the time runs out.
  bool IsLeader() const {
    return Clock::now().time_since_epoch().count() < leading_until_.load(std::memory_order_acquire);
  }

 private:
  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const bool still_in = Round(stop);
      if (!still_in || RenewalFailed(memory_, Clock::now(), options_.renew_deadline)) {
        StepDown();
        return;
      }
      Sleep(stop);
    }
  }

  // One attempt to take or renew. False when another holds the lease that we held.
  bool Round(const std::stop_token& stop) {
    const Api api = api_.WithStop(stop).WithDeadline(CallDeadline());
    base::Result<api::Json> read = api.Get(kLeases, options_.ns, options_.name);
    std::optional<LeaseRecord> lease;
    if (read.ok()) {
      lease = LeaseFromJson(*read);
    } else if (read.status().code() != base::Code::kNotFound) {
      Warn("the lease cannot be read", read.status(), stop);
      return true;
    }
    const auto now = Clock::now();
    ObserveLease(lease, now, &memory_);
    const LeaderMove move =
        DecideLeader(lease, memory_, now, options_.identity, options_.lease_duration);
    switch (move) {
      case LeaderMove::kStandBy:
        return true;
      case LeaderMove::kLost:
        return false;
      case LeaderMove::kCreate:
      case LeaderMove::kRenew:
      case LeaderMove::kTake:
        break;
    }
    // Our term counts from before the write: it is never longer than others believe.
    const base::Status written = Write(api, lease, move);
    if (!written.ok()) {
      Warn("the lease cannot be written", written, stop);
      return true;
    }
    Lead(now);
    return true;
  }

  base::Status Write(const Api& api, const std::optional<LeaseRecord>& lease, LeaderMove move) {
    const api::Json spec =
        LeaseSpec(lease, move, options_.identity, options_.lease_duration, base::RealClock().Now());
    if (!lease) {
      const api::Json object = {{"apiVersion", kLeases.ApiVersion()},
                                {"kind", kLeases.kind},
                                {"metadata", {{"name", options_.name}}},
                                {"spec", spec}};
      return api.Create(kLeases, options_.ns, object).status();
    }
    return api
        .Patch(kLeases, options_.ns, options_.name, PatchType::kMerge,
               {{"metadata", {{"uid", lease->uid}, {"resourceVersion", lease->resource_version}}},
                {"spec", spec}})
        .status();
  }

  void Lead(Clock::time_point since) {
    memory_.last_renewal = since;
    leading_until_.store((since + options_.renew_deadline).time_since_epoch().count(),
                         std::memory_order_release);
    if (memory_.leading) return;
    memory_.leading = true;
    base::LogInfo("this process leads", {{"lease", options_.name}});
    if (on_started_) on_started_();
  }

  void StepDown() {
    leading_until_.store(0, std::memory_order_release);
    if (!memory_.leading) return;
    memory_.leading = false;
    base::LogWarning("this process leads no more", {{"lease", options_.name}});
    if (on_stopped_) on_stopped_();
  }

  // Best effort: without it the next one waits for the lease to expire.
  void Release() {
    const Api api = api_.WithDeadline(kReleaseDeadline);
    const base::Result<api::Json> read = api.Get(kLeases, options_.ns, options_.name);
    if (!read.ok()) return;
    const LeaseRecord lease = LeaseFromJson(*read);
    if (lease.holder != options_.identity) return;
    const base::Status status =
        api.Patch(kLeases, options_.ns, options_.name, PatchType::kMerge,
                  {{"metadata", {{"uid", lease.uid}, {"resourceVersion", lease.resource_version}}},
                   {"spec", ReleasedLeaseSpec(base::RealClock().Now())}})
            .status();
    if (!status.ok()) {
      base::LogWarning("the lease cannot be given back", {{"error", status.ToString()}});
    }
  }

  // Two calls a round: while we lead, both must end before the renewal is due.
  milliseconds CallDeadline() const {
    auto left = options_.renew_deadline;
    if (memory_.leading) {
      left -= std::chrono::duration_cast<milliseconds>(Clock::now() - memory_.last_renewal);
    }
    return std::max(left / 2, milliseconds(1));
  }

  void Sleep(const std::stop_token& stop) {
    const double random = std::uniform_real_distribution<double>(0, 1)(engine_);
    const auto period =
        std::chrono::duration<double, std::milli>(options_.retry_period) * (1 + kJitter * random);
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, period, [] { return false; });
  }

  static void Warn(const char* what, const base::Status& status, const std::stop_token& stop) {
    if (!stop.stop_requested()) base::LogWarning(what, {{"error", status.ToString()}});
  }

  const Api api_;
  const LeaderOptions options_;
  const std::function<void()> on_started_;
  const std::function<void()> on_stopped_;
  std::atomic<Clock::rep> leading_until_{0};  // by the steady clock; 0 = not leading
  LeaderMemory memory_;                       // of thread_ alone
  std::mt19937_64 engine_{std::random_device{}()};
  std::jthread thread_;
};

LeaderElector::LeaderElector(Api api, LeaderOptions options, std::function<void()> on_started,
                             std::function<void()> on_stopped)
    : impl_(std::make_unique<Impl>(std::move(api), std::move(options), std::move(on_started),
                                   std::move(on_stopped))) {}
LeaderElector::~LeaderElector() {
  impl_->Stop();
}
void LeaderElector::Start() {
  impl_->Start();
}
void LeaderElector::Stop() {
  impl_->Stop();
}
bool LeaderElector::IsLeader() const {
  return impl_->IsLeader();
}

}  // namespace sandgate::kube
