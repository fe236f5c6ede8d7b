// Tells approvers' channels of questions that wait, and of their ends: the thread, the clock and
// the network around webhook_queue and webhook_logic. Delivery is at least once for a question (a
// new leader tells again what still waits, under the same id) and best effort for an outcome.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "libs/base/clock.h"
#include "libs/http/web_client.h"
#include "operator/webhook_files.h"
#include "operator/webhook_options.h"
#include "operator/webhook_queue.h"

namespace sandgate::op {

// What is worth counting. Called on the webhook's own threads; must not block.
struct WebhookObserver {
  std::function<void(WebhookEvent event, WebhookResult result)> ended;
  std::function<void()> attempt_failed;
};

// Thread-safe. Nothing here ever waits for the receiver but its own thread.
class Webhook {
 public:
  Webhook(WebhookOptions options, const base::Clock& clock, WebhookObserver observer);
  ~Webhook();  // stops

  // What waits unsent is gone: the next leader tells the questions again. An attempt on its way
  // ends at once, but for a host name that is being resolved (seconds, by the C library's limits).
  void Stop();

  // A question is Pending, or settled, or neither of our business: told or not, once each.
  void Changed(std::shared_ptr<const api::Approval> approval);

  size_t depth() const;

 private:
  Moments Now() const { return {clock_.Now(), clock_.MonotonicNow()}; }
  void Work();
  void Send(const WebhookJob& job);
  base::Result<http::WebClient*> ClientFor(const std::string& ca_pem);
  void Ended(const WebhookJob& job, const std::string& host,
             const base::Result<http::Response>& result);
  void Report(const WebhookEnds& ends);

  const WebhookOptions options_;
  const base::Clock& clock_;
  const WebhookObserver observer_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  WebhookQueue queue_;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_

  // The thread's own.
  std::string client_ca_;
  std::unique_ptr<http::WebClient> client_;
  std::thread thread_;
};

}  // namespace sandgate::op
