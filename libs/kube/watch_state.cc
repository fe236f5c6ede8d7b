#include "libs/kube/watch_state.h"

#include <algorithm>
#include <utility>

#include "libs/kube/api_error.h"

namespace sandgate::kube {
namespace {

using base::Code;
using base::Status;

// Doubles from the minimum; the spread stays within the maximum.
std::chrono::milliseconds Backoff(int failures, double random) {
  constexpr double kSpread = 0.5;
  const double most = static_cast<double>(kMaxWatchBackoff.count()) / (1 + kSpread);
  double delay = static_cast<double>(kMinWatchBackoff.count());
  for (int i = 1; i < failures && delay < most; ++i) delay *= 2;
  delay = std::min(delay, most) * (1 + kSpread * random);
  return std::chrono::milliseconds(static_cast<int64_t>(delay));
}

WatchStep BackOff(std::string resume_version, int failures, double random) {
  return {BackingOff{std::move(resume_version), failures}, {{}, Wait{Backoff(failures, random)}}};
}

// Whether a watch that failed like this may go on where it was. Everything else lists anew: 410
// because the history is gone, refusals because the world has changed, a line that is too long
// because it would come again.
bool MayResume(Code code) {
  switch (code) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kInternal:
    case Code::kCancelled:
      return true;
    case Code::kOk:
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kConflict:
    case Code::kPermissionDenied:
    case Code::kUnauthenticated:
    case Code::kGone:
    case Code::kResourceExhausted:
      return false;
  }
  return false;
}

std::string VersionOf(const api::Json& object) {
  return api::StringOr(api::Member(object, "metadata"), "resourceVersion");
}

WatchStep OnPage(Listing state, PageCame event) {
  std::move(event.page.items.begin(), event.page.items.end(), std::back_inserter(state.items));
  if (!event.page.continue_token.empty()) {
    state.continue_token = event.page.continue_token;
    state.failures = 0;
    return {std::move(state), {{}, ListNext{std::move(event.page.continue_token)}}};
  }
  std::string version = std::move(event.page.resource_version);
  return {Watching{version, 0}, {ReplaceAll{std::move(state.items)}, OpenWatch{version}}};
}

WatchStep OnWatchFailure(const Watching& state, const Status& status, double random) {
  const std::string resume = MayResume(status.code()) ? state.resource_version : "";
  // A silent stream is the network's usual death and took its time already: no growing wait.
  const int failures = status.code() == Code::kDeadlineExceeded ? 1 : state.failures + 1;
  return BackOff(resume, failures, random);
}

// For events that do not belong to the state.
WatchStep ListAnew(int failures, double random) {
  return BackOff("", failures + 1, random);
}

WatchStep StepFrom(Listing state, WatchEvent event, double random) {
  const int failures = state.failures;
  if (auto* page = std::get_if<PageCame>(&event)) {
    return OnPage(std::move(state), std::move(*page));
  }
  // Pages belong together: after any failure the list begins again.
  return ListAnew(failures, random);
}

WatchStep StepFrom(Watching state, WatchEvent event, double random) {
  if (auto* came = std::get_if<ObjectCame>(&event)) {
    return {Watching{VersionOf(came->object), 0}, {Upsert{std::move(came->object)}, ReadOn{}}};
  }
  if (auto* went = std::get_if<ObjectWent>(&event)) {
    return {Watching{VersionOf(went->object), 0}, {Remove{std::move(went->object)}, ReadOn{}}};
  }
  if (auto* bookmark = std::get_if<BookmarkCame>(&event)) {
    return {Watching{std::move(bookmark->resource_version), 0}, {{}, ReadOn{}}};
  }
  if (const auto* ended = std::get_if<StreamEnded>(&event)) {
    if (!ended->lived) return BackOff(state.resource_version, state.failures + 1, random);
    std::string version = state.resource_version;
    return {Watching{std::move(state.resource_version), 0}, {{}, OpenWatch{std::move(version)}}};
  }
  if (const auto* failed = std::get_if<CallFailed>(&event)) {
    return OnWatchFailure(state, failed->status, random);
  }
  return ListAnew(state.failures, random);
}

WatchStep StepFrom(BackingOff state, WatchEvent event, double random) {
  if (!std::holds_alternative<WaitOver>(event)) return ListAnew(state.failures, random);
  if (state.resume_version.empty()) return {Listing{{}, "", state.failures}, {{}, ListNext{""}}};
  return {Watching{state.resume_version, state.failures}, {{}, OpenWatch{state.resume_version}}};
}

CallFailed Unreadable(const std::string& why) {
  return {Status(Code::kInvalidArgument, "the watch sent what is no event: " + why)};
}

}  // namespace

WatchStep StartWatching() {
  return {Listing{}, {{}, ListNext{""}}};
}

WatchStep Step(WatchState state, WatchEvent event, double random) {
  return std::visit([&](auto&& one) { return StepFrom(std::move(one), std::move(event), random); },
                    std::move(state));
}

WatchEvent ParseWatchLine(std::string_view line) {
  base::Result<api::Json> parsed = api::ParseJson(line);
  if (!parsed.ok()) return Unreadable(parsed.status().message());
  const std::string type = api::StringOr(*parsed, "type");
  const auto found = parsed->find("object");
  if (found == parsed->end() || !found->is_object()) return Unreadable("no object");
  api::Json object = std::move(*found);
  if (type == "ERROR") return CallFailed{StatusOfObject(object)};
  std::string version = VersionOf(object);
  if (version.empty()) return Unreadable("no resourceVersion");
  if (type == "BOOKMARK") return BookmarkCame{std::move(version)};
  if (api::StringOr(api::Member(object, "metadata"), "name").empty()) return Unreadable("no name");
  if (type == "ADDED" || type == "MODIFIED") return ObjectCame{std::move(object)};
  if (type == "DELETED") return ObjectWent{std::move(object)};
  return Unreadable("type \"" + type.substr(0, 64) + "\"");
}

}  // namespace sandgate::kube
