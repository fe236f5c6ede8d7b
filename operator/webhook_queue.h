// Which webhook message goes next, when it is tried again, and which ones end unsent. Pure: no
// clock, no lock, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/webhook_logic.h"

namespace sandgate::op {

// Both clocks at one moment: deadlines of Approvals are on the wall, waits are not.
struct Moments {
  base::Time wall;
  base::MonotonicTime steady;
};

// How a message ended. Only the first means that a receiver has it.
enum class WebhookResult {
  kDelivered,
  kRefused,     // the receiver will not have it: 3xx, 4xx
  kGaveUp,      // its time or its attempts ran out
  kSuperseded,  // settled before the question was told
  kDropped,     // the queue was full
};
const char* WebhookResultName(WebhookResult result);

struct WebhookJob {
  WebhookEvent event = WebhookEvent::kPending;
  std::shared_ptr<const api::Approval> approval;
  base::Time give_up;  // not sent at or after this
  int attempts = 0;    // that failed
  base::MonotonicTime due{};
  uint64_t number = 0;  // order of arrival
};

struct WebhookEnd {
  WebhookJob job;
  WebhookResult result;
};
using WebhookEnds = std::vector<WebhookEnd>;

// What an answer means for a message.
enum class WebhookVerdict { kDelivered, kRetry, kRefused };
// 2xx is delivered; 408, 429 and 5xx come again; the rest is refused, redirects included.
WebhookVerdict JudgeStatus(unsigned status);

// The wait before the next attempt after `failed` ones: from 0.5 s, doubled each time up to 15 s,
// half of it by chance (`random` in [0, 1)), so that many operators do not come back at once; at
// least `retry_after`, of which at most a minute is believed.
base::Duration RetryWait(int failed, double random, std::chrono::seconds retry_after);

class WebhookQueue {
 public:
  static constexpr int kMaxSettledAttempts = 8;
  static constexpr std::chrono::minutes kSettledPatience{5};
  static constexpr size_t kMaxInFlight = 4;

  explicit WebhookQueue(size_t capacity) : capacity_(capacity) {}

  // A question that waits for an answer. When the queue is full an outcome makes room for it. One
  // that is queued or being sent already changes nothing.
  void AddPending(std::shared_ptr<const api::Approval> approval, const Moments& now,
                  WebhookEnds* ends);
  // The question is settled: its message, if still unsent, ends. The outcome is told if `tell`.
  void AddSettled(std::shared_ptr<const api::Approval> approval, bool tell, const Moments& now,
                  WebhookEnds* ends);

  // The message to send now, which then is in flight: a question before any outcome, the one with
  // the least time first. An outcome never overtakes its own question. nullopt: none is due, or
  // kMaxInFlight are on their way.
  std::optional<WebhookJob> Take(const Moments& now, WebhookEnds* ends);
  // What became of one in flight.
  void Finish(const WebhookJob& job, WebhookResult result, WebhookEnds* ends);
  void Retry(WebhookJob job, base::Duration wait, const Moments& now, WebhookEnds* ends);

  // When Take has to be asked again though nothing else happened; nullopt: never.
  std::optional<base::MonotonicTime> NextDue() const;
  size_t depth() const { return waiting_.size() + in_flight_.size(); }

 private:
  struct Flight {
    WebhookEvent event;
    bool superseded = false;
  };

  static const std::string& Uid(const WebhookJob& job) { return job.approval->meta.uid; }
  bool Knows(const std::string& uid, WebhookEvent event) const;
  void Enqueue(WebhookJob job, const Moments& now);
  bool MakeRoom(WebhookEnds* ends);
  void EndLate(base::Time now, WebhookEnds* ends);

  const size_t capacity_;
  std::vector<WebhookJob> waiting_;
  std::map<std::string, Flight> in_flight_;  // by the Approval's UID: one message at a time
  uint64_t arrivals_ = 0;
};

}  // namespace sandgate::op
