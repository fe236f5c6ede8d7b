#include "operator/webhook_queue.h"

#include <algorithm>
#include <tuple>

namespace sandgate::op {
namespace {

constexpr std::chrono::milliseconds kFirstWait{500};
constexpr std::chrono::milliseconds kLongestWait{15'000};
constexpr std::chrono::seconds kLongestRetryAfter{60};
constexpr int kMostDoublings = 5;

bool IsPending(const WebhookJob& job) {
  return job.event == WebhookEvent::kPending;
}

// What goes first.
auto Order(const WebhookJob& job) {
  return std::make_tuple(!IsPending(job), IsPending(job) ? job.give_up : base::Time(), job.number);
}

}  // namespace

const char* WebhookResultName(WebhookResult result) {
  switch (result) {
    case WebhookResult::kDelivered:
      return "delivered";
    case WebhookResult::kRefused:
      return "refused";
    case WebhookResult::kGaveUp:
      return "gave_up";
    case WebhookResult::kSuperseded:
      return "superseded";
    case WebhookResult::kDropped:
      return "dropped";
  }
  return "";
}

WebhookVerdict JudgeStatus(unsigned status) {
  if (status / 100 == 2) return WebhookVerdict::kDelivered;
  if (status == 408 || status == 429 || status / 100 == 5) return WebhookVerdict::kRetry;
  return WebhookVerdict::kRefused;
}

base::Duration RetryWait(int failed, double random, std::chrono::seconds retry_after) {
  const int doublings = std::clamp(failed - 1, 0, kMostDoublings);
  const auto whole = std::min(kLongestWait, kFirstWait * (1 << doublings));
  const auto wait = std::chrono::duration_cast<base::Duration>(whole * (0.5 + random / 2));
  return std::max<base::Duration>(wait, std::min(retry_after, kLongestRetryAfter));
}

bool WebhookQueue::Knows(const std::string& uid, WebhookEvent event) const {
  const auto flying = in_flight_.find(uid);
  if (flying != in_flight_.end() && flying->second.event == event) return true;
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const WebhookJob& job) { return job.event == event && Uid(job) == uid; });
}

void WebhookQueue::Enqueue(WebhookJob job, const Moments& now) {
  job.due = now.steady;
  job.number = ++arrivals_;
  waiting_.push_back(std::move(job));
}

// The oldest outcome goes; false when only questions wait.
bool WebhookQueue::MakeRoom(WebhookEnds* ends) {
  if (waiting_.size() < capacity_) return true;
  const auto oldest = std::find_if_not(waiting_.begin(), waiting_.end(), IsPending);
  if (oldest == waiting_.end()) return false;
  ends->push_back({std::move(*oldest), WebhookResult::kDropped});
  waiting_.erase(oldest);
  return true;
}

void WebhookQueue::AddPending(std::shared_ptr<const api::Approval> approval, const Moments& now,
                              WebhookEnds* ends) {
  if (Knows(approval->meta.uid, WebhookEvent::kPending)) return;
  WebhookJob job;
  job.give_up = approval->request.expires_at;
  job.approval = std::move(approval);
  if (!MakeRoom(ends)) {
    ends->push_back({std::move(job), WebhookResult::kDropped});
    return;
  }
  Enqueue(std::move(job), now);
}

void WebhookQueue::AddSettled(std::shared_ptr<const api::Approval> approval, bool tell,
                              const Moments& now, WebhookEnds* ends) {
  const std::string& uid = approval->meta.uid;
  std::erase_if(waiting_, [&](WebhookJob& job) {
    if (!IsPending(job) || Uid(job) != uid) return false;
    ends->push_back({job, WebhookResult::kSuperseded});
    return true;
  });
  const auto flying = in_flight_.find(uid);
  if (flying != in_flight_.end()) flying->second.superseded = true;
  if (!tell || Knows(uid, WebhookEvent::kSettled)) return;
  WebhookJob job;
  job.event = WebhookEvent::kSettled;
  job.give_up = now.wall + kSettledPatience;
  job.approval = std::move(approval);
  if (waiting_.size() >= capacity_) {
    ends->push_back({std::move(job), WebhookResult::kDropped});
    return;
  }
  Enqueue(std::move(job), now);
}

void WebhookQueue::EndLate(base::Time now, WebhookEnds* ends) {
  std::erase_if(waiting_, [&](const WebhookJob& job) {
    if (now < job.give_up) return false;
    ends->push_back({job, WebhookResult::kGaveUp});
    return true;
  });
}

std::optional<WebhookJob> WebhookQueue::Take(const Moments& now, WebhookEnds* ends) {
  EndLate(now.wall, ends);
  if (in_flight_.size() >= kMaxInFlight) return std::nullopt;
  auto best = waiting_.end();
  for (auto job = waiting_.begin(); job != waiting_.end(); ++job) {
    if (job->due > now.steady || in_flight_.contains(Uid(*job))) continue;
    if (best == waiting_.end() || Order(*job) < Order(*best)) best = job;
  }
  if (best == waiting_.end()) return std::nullopt;
  WebhookJob taken = std::move(*best);
  waiting_.erase(best);
  in_flight_[Uid(taken)] = {taken.event};
  return taken;
}

void WebhookQueue::Finish(const WebhookJob& job, WebhookResult result, WebhookEnds* ends) {
  in_flight_.erase(Uid(job));
  ends->push_back({job, result});
}

void WebhookQueue::Retry(WebhookJob job, base::Duration wait, const Moments& now,
                         WebhookEnds* ends) {
  const auto flying = in_flight_.find(Uid(job));
  const bool superseded = IsPending(job) && flying != in_flight_.end() && flying->second.superseded;
  ++job.attempts;
  if (superseded) return Finish(job, WebhookResult::kSuperseded, ends);
  const bool exhausted = !IsPending(job) && job.attempts >= kMaxSettledAttempts;
  if (exhausted || now.wall + wait >= job.give_up) {
    return Finish(job, WebhookResult::kGaveUp, ends);
  }
  in_flight_.erase(Uid(job));
  job.due = now.steady + wait;
  waiting_.push_back(std::move(job));
}

std::optional<base::MonotonicTime> WebhookQueue::NextDue() const {
  std::optional<base::MonotonicTime> next;
  if (in_flight_.size() >= kMaxInFlight) return next;
  for (const WebhookJob& job : waiting_) {
    if (in_flight_.contains(Uid(job))) continue;
    if (!next || job.due < *next) next = job.due;
  }
  return next;
}

}  // namespace sandgate::op
