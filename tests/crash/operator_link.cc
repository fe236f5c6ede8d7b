#include "tests/crash/operator_link.h"

#include "tests/support/fake_route.h"

namespace sandgate::crash {

using base::Code;
using base::Status;
using testing::Call;

base::Result<rest::Response> OperatorLink::Do(const rest::Request& request) {
  const std::optional<Call> call = testing::ParseCall(request);
  if (!call) return Status(Code::kInvalidArgument, "not a path of the API server");
  if (call->method == "GET" && call->key.name.empty()) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, request.stop, [&] { return opened_ || opening_ == call->key.resource; });
    lock.unlock();
    return server_.Do(request);
  }
  if (dead_) return Status(Code::kUnavailable, "the process is dead");
  switch (judge_(*call)) {
    case Fate::kFine:
      return server_.Do(request);
    case Fate::kUnreachable:
      return Status(Code::kUnavailable, "connection refused (by the simulator)");
    case Fate::kServerError:
      return Status(Code::kInternal, "internal error (by the simulator)");
    case Fate::kLostAnswer:
      (void)server_.Do(request);
      return Status(Code::kDeadlineExceeded, "the answer was lost (by the simulator)");
    case Fate::kDieBefore:
      Die();
      break;
    case Fate::kDieAfter:
      (void)server_.Do(request);
      Die();
      break;
  }
  return Status(Code::kUnavailable, "the process is dead");
}

Status OperatorLink::Stream(const rest::Request& request, std::chrono::milliseconds /*idle*/,
                            std::stop_token stop,
                            const std::function<bool(std::string_view line)>& on_line,
                            rest::Response* response) {
  const std::optional<Call> call = testing::ParseCall(request);
  if (!call || !call->watch) return Status(Code::kInvalidArgument, "not a watch");
  response->status = 200;
  std::unique_lock lock(mutex_);
  Watch& watch = watches_[call->key.resource];
  watch.seen = std::strtoll(call->query.at("resourceVersion").c_str(), nullptr, 10);
  watch.target = watch.seen;
  changed_.notify_all();
  while (changed_.wait(lock, stop, [&] { return watch.target > watch.seen; })) {
    const int64_t seen = watch.seen, target = watch.target;
    lock.unlock();
    for (const testing::Change& change : server_.ChangesSince(seen)) {
      if (change.revision > target) break;
      if (const std::string line = testing::WatchLineOf(*call, change); !line.empty()) {
        on_line(line);
      }
    }
    lock.lock();
    watch.seen = target;
    changed_.notify_all();
  }
  return Status(Code::kCancelled, "stopped");
}

void OperatorLink::Open(const std::string& resource) {
  std::unique_lock lock(mutex_);
  opening_ = resource;
  changed_.notify_all();
  changed_.wait(lock, [&] { return watches_.contains(resource); });
}

void OperatorLink::Opened() {
  const std::lock_guard lock(mutex_);
  opened_ = true;
  changed_.notify_all();
}

void OperatorLink::Deliver(const std::string& resource, int64_t revision) {
  std::unique_lock lock(mutex_);
  Watch& watch = watches_.at(resource);
  if (revision <= watch.seen) return;
  watch.target = revision;
  changed_.notify_all();
  changed_.wait(lock, [&] { return watch.seen == watch.target; });
}

int64_t OperatorLink::Seen(const std::string& resource) {
  const std::lock_guard lock(mutex_);
  return watches_.at(resource).seen;
}

}  // namespace sandgate::crash
