#include "libs/kube/events.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/kube/event_logic.h"

namespace sandgate::kube {
namespace {

constexpr size_t kMaxQueued = 1000;
constexpr size_t kMaxMessageBytes = 1024;  // the API server's limit
constexpr size_t kMaxReasonBytes = 128;    // the same
constexpr size_t kMaxNamePrefix = 200;
constexpr std::chrono::milliseconds kCallDeadline{5'000};

struct Pending {
  api::Json object;  // involvedObject
  EventType type = EventType::kNormal;
  std::string reason;
  std::string message;
  base::Time time;

  std::string Uid() const { return api::StringOr(object, "uid"); }
  std::string Text() const {
    return (type == EventType::kNormal ? "N\n" : "W\n") + reason + "\n" + message;
  }
};

// Cut between two characters of UTF-8.
std::string Cut(const std::string& text, size_t max) {
  if (text.size() <= max) return text;
  size_t end = max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

api::Json Involved(const api::Json& object) {
  const api::Json& meta = api::Member(object, "metadata");
  return {{"apiVersion", api::StringOr(object, "apiVersion")},
          {"kind", api::StringOr(object, "kind")},
          {"namespace", api::StringOr(meta, "namespace")},
          {"name", api::StringOr(meta, "name")},
          {"uid", api::StringOr(meta, "uid")},
          {"resourceVersion", api::StringOr(meta, "resourceVersion")}};
}

}  // namespace

class EventRecorder::Impl {
 public:
  Impl(Api api, std::string component, std::string instance)
      : api_(std::move(api)),
        component_(std::move(component)),
        instance_(std::move(instance)),
        thread_([this](const std::stop_token& stop) { Run(stop); }) {}

  void Push(Pending event) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (queue_.size() >= kMaxQueued) {
        queue_.pop_front();
        ++dropped_;
      }
      queue_.push_back(std::move(event));
    }
    pushed_.notify_one();
  }

  uint64_t dropped() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return dropped_;
  }

 private:
  void Run(const std::stop_token& stop) {
    const Api api = api_.WithStop(stop).WithDeadline(kCallDeadline);
    while (!stop.stop_requested()) {
      std::unique_lock lock(mutex_);
      if (!pushed_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
      const Pending event = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      Send(api, event);
    }
  }

  void Send(const Api& api, const Pending& event) {
    const auto now = std::chrono::steady_clock::now();
    const EventDecision decision = correlator_.Decide(event.Uid(), event.Text(), now);
    base::Status status;
    switch (decision.kind) {
      case EventDecision::Kind::kDrop:
        CountDropped();
        return;
      case EventDecision::Kind::kCreate:
        status = Create(api, event);
        break;
      case EventDecision::Kind::kRaiseCount:
        status = RaiseCount(api, event, decision);
        if (status.code() == base::Code::kNotFound) {
          correlator_.Lost(event.Uid(), event.Text());
          status = Create(api, event);
        }
        break;
    }
    if (status.ok()) return;
    CountDropped();
    if (status.code() == base::Code::kCancelled) return;
    base::LogWarning("an event is lost", {{"reason", event.reason}, {"error", status.ToString()}});
  }

  base::Status Create(const Api& api, const Pending& event) {
    std::string ns = api::StringOr(event.object, "namespace");
    if (ns.empty()) ns = "default";  // where those of cluster-scoped objects belong
    const std::string name =
        api::StringOr(event.object, "name").substr(0, kMaxNamePrefix) + "." + base::RandomHex(8);
    const std::string time = base::FormatTime(event.time);
    const api::Json object = {{"apiVersion", "v1"},
                              {"kind", "Event"},
                              {"metadata", {{"name", name}, {"namespace", ns}}},
                              {"involvedObject", event.object},
                              {"reason", event.reason},
                              {"message", event.message},
                              {"type", event.type == EventType::kNormal ? "Normal" : "Warning"},
                              {"count", 1},
                              {"firstTimestamp", time},
                              {"lastTimestamp", time},
                              {"source", {{"component", component_}}},
                              {"reportingComponent", component_},
                              {"reportingInstance", instance_}};
    const base::Status status = api.Create(kEvents, ns, object).status();
    if (status.ok()) {
      correlator_.Created(event.Uid(), event.Text(), name, std::chrono::steady_clock::now());
    }
    return status;
  }

  static base::Status RaiseCount(const Api& api, const Pending& event,
                                 const EventDecision& decision) {
    std::string ns = api::StringOr(event.object, "namespace");
    if (ns.empty()) ns = "default";
    return api
        .Patch(kEvents, ns, decision.name, PatchType::kMerge,
               {{"count", decision.count}, {"lastTimestamp", base::FormatTime(event.time)}})
        .status();
  }

  void CountDropped() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++dropped_;
  }

  const Api api_;
  const std::string component_;
  const std::string instance_;
  EventCorrelator correlator_;  // of thread_ alone
  mutable std::mutex mutex_;
  std::condition_variable_any pushed_;
  std::deque<Pending> queue_;  // guarded by mutex_
  uint64_t dropped_ = 0;       // guarded by mutex_
  std::jthread thread_;        // last: it uses all of the above
};

EventRecorder::EventRecorder(Api api, std::string component, std::string instance)
    : impl_(std::make_unique<Impl>(std::move(api), std::move(component), std::move(instance))) {}
EventRecorder::~EventRecorder() = default;

void EventRecorder::Record(const api::Json& object, EventType type, const std::string& reason,
                           const std::string& message) {
  impl_->Push({Involved(object), type, Cut(reason, kMaxReasonBytes), Cut(message, kMaxMessageBytes),
               base::RealClock().Now()});
}

uint64_t EventRecorder::dropped() const {
  return impl_->dropped();
}

}  // namespace sandgate::kube
