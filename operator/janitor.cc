#include "operator/janitor.h"

#include "libs/api/execution.h"
#include "libs/base/log.h"

namespace sandgate::op {
namespace {

constexpr std::chrono::minutes kInterval{10};
constexpr int kPage = 50;  // finished ones carry their output

}  // namespace

void Janitor::Start() {
  thread_ = std::thread([this] {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      const base::Status status = Sweep();
      if (!status.ok()) {
        base::LogWarning("the sweep of finished Executions failed; it comes again",
                         {{"error", status.ToString()}});
      }
      lock.lock();
      wake_.wait_for(lock, kInterval, [this] { return stopping_; });
    }
  });
}

void Janitor::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

base::Status Janitor::Sweep() {
  kube::ListOptions options;
  options.limit = kPage;
  do {
    const auto page = cluster_.api().List(kube::kExecutions, "", options);
    if (!page.ok()) return page.status();
    for (const api::Json& json : page->items) {
      const auto execution = api::Execution::FromJson(json);
      if (!execution.ok() || !execution->status.terminal()) continue;
      const auto ended = execution->status.completion_time;
      if (!ended || clock_.Now() < *ended + settings_.finished_ttl) continue;
      const api::ObjectMeta& meta = execution->meta;
      const base::Status gone = cluster_.Delete(kube::kExecutions, meta.ns, meta.name, meta.uid);
      if (!gone.ok()) return gone;
    }
    options.continue_token = page->continue_token;
  } while (!options.continue_token.empty());
  return base::Status::Ok();
}

}  // namespace sandgate::op
