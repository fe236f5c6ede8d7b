// The watches of FakeTransport.
#include <algorithm>

#include "tests/support/fake_route.h"
#include "tests/support/fake_selector.h"
#include "tests/support/fake_transport.h"

namespace sandgate::testing {
namespace {

using api::Json;
using base::Code;
using base::Status;

std::string QueryOr(const Call& call, const std::string& key) {
  const auto found = call.query.find(key);
  return found == call.query.end() ? "" : found->second;
}

bool Matches(const Call& call, const Json& object) {
  return !object.is_null() && MatchesLabels(QueryOr(call, "labelSelector"), object) &&
         MatchesFields(QueryOr(call, "fieldSelector"), object);
}

std::string Line(const char* type, const Json& object) {
  return api::DumpJson({{"type", type}, {"object", object}});
}

const Json& Expired() {
  static const Json status = {{"kind", "Status"},    {"apiVersion", "v1"},
                              {"status", "Failure"}, {"message", "too old resource version"},
                              {"reason", "Expired"}, {"code", 410}};
  return status;
}

}  // namespace

std::string WatchLineOf(const Call& call, const Change& change) {
  if (change.key.resource != call.key.resource) return "";
  if (!call.key.ns.empty() && change.key.ns != call.key.ns) return "";
  const bool before = Matches(call, change.before);
  const bool after = Matches(call, change.after);
  if (after) return Line(before ? "MODIFIED" : "ADDED", change.after);
  if (!before) return "";
  // The last state that matched, at the version of the change.
  Json last = change.before;
  last["metadata"]["resourceVersion"] = std::to_string(change.revision);
  return Line("DELETED", last);
}

struct FakeTransport::Watcher {
  Call call;
  int64_t seen = 0;
  int64_t bookmarks = 0;
  int64_t closings = 0;
};

// Called with the lock held. False when the watch is over.
bool FakeTransport::NextLines(Watcher* watcher, std::vector<std::string>* lines) {
  if (watcher->seen < store_.compacted()) {
    lines->push_back(Line("ERROR", Expired()));
    return false;
  }
  for (const Change& change : store_.history()) {
    if (change.revision <= watcher->seen) continue;
    if (std::string line = WatchLineOf(watcher->call, change); !line.empty()) {
      lines->push_back(std::move(line));
    }
  }
  watcher->seen = store_.revision();
  if (watcher->bookmarks != bookmarks_) {
    watcher->bookmarks = bookmarks_;
    lines->push_back(
        Line("BOOKMARK", {{"metadata", {{"resourceVersion", std::to_string(watcher->seen)}}}}));
  }
  return watcher->closings == closings_;
}

base::Status FakeTransport::Stream(const rest::Request& request, std::chrono::milliseconds idle,
                                   std::stop_token stop,
                                   const std::function<bool(std::string_view line)>& on_line,
                                   rest::Response* response) {
  const std::optional<Call> call = ParseCall(request);
  if (!call || !call->watch) return Status(Code::kInvalidArgument, "not a watch");
  if (before_call) before_call(*call);
  const Fault wrong = fault ? fault(*call) : Fault::kNone;
  std::unique_lock lock(mutex_);
  calls_.push_back(*call);
  if (wrong == Fault::kUnreachable) return Status(Code::kUnavailable, "connection refused");
  if (wrong == Fault::kLostAnswer) return Status(Code::kDeadlineExceeded, "no answer");
  if (wrong != Fault::kNone) {
    *response = {wrong == Fault::kThrottled ? 429U : 500U, "", std::chrono::seconds(0)};
    return Status::Ok();
  }
  Watcher watcher;
  watcher.call = *call;
  const std::string version = QueryOr(*call, "resourceVersion");
  watcher.seen = std::strtoll(version.c_str(), nullptr, 10);
  watcher.bookmarks = bookmarks_;
  watcher.closings = closings_;
  if (watcher.seen < store_.compacted() && !gone_as_event_) {
    *response = {410, api::DumpJson(Expired()), std::chrono::seconds(0)};
    return Status::Ok();
  }
  response->status = 200;
  ++watches_;
  changed_.notify_all();
  Status result;
  for (bool open = true; open;) {
    std::vector<std::string> lines;
    open = NextLines(&watcher, &lines);
    lock.unlock();
    for (const std::string& line : lines) open = on_line(line) && open;
    lock.lock();
    if (stop.stop_requested()) {
      result = Status(Code::kCancelled, "stopped");
      break;
    }
    if (!open) break;
    const bool woken = changed_.wait_for(lock, stop, idle, [&] {
      return watcher.seen != store_.revision() || watcher.bookmarks != bookmarks_ ||
             watcher.closings != closings_ || watcher.seen < store_.compacted();
    });
    if (woken) continue;
    result = stop.stop_requested() ? Status(Code::kCancelled, "stopped")
                                   : Status(Code::kDeadlineExceeded, "the watch was silent");
    break;
  }
  --watches_;
  changed_.notify_all();
  return result;
}

void FakeTransport::SendBookmarks() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++bookmarks_;
  changed_.notify_all();
}

void FakeTransport::CloseWatches() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++closings_;
  changed_.notify_all();
}

void FakeTransport::Compact(bool as_event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // One more revision, so that even a watch that is up to date is behind the compaction.
  store_.Bump();
  store_.Compact();
  store_.Bump();
  gone_as_event_ = as_event;
  changed_.notify_all();
}

void FakeTransport::WaitForWatches(int count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return watches_ >= count; });
}

}  // namespace sandgate::testing
