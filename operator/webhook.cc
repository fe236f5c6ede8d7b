#include "operator/webhook.h"

#include <algorithm>
#include <charconv>
#include <random>

#include "libs/base/log.h"

namespace sandgate::op {
namespace {

using base::Code;
using base::Status;

constexpr size_t kMaxAnswerBytes = 16 * 1024;  // read and thrown away

double Chance() {
  thread_local std::mt19937 random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(random);
}

// In seconds; a date, or anything else, is no reason to wait.
std::chrono::seconds RetryAfter(const base::Result<http::Response>& result) {
  if (!result.ok()) return std::chrono::seconds(0);
  const std::string_view text = result->HeaderValue("Retry-After");
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return std::chrono::seconds(whole ? seconds : 0);
}

WebhookVerdict Judge(const base::Result<http::Response>& result) {
  return result.ok() ? JudgeStatus(result->status) : WebhookVerdict::kRetry;
}

std::string Describe(const base::Result<http::Response>& result) {
  return result.ok() ? "HTTP " + std::to_string(result->status) : result.status().ToString();
}

std::string NameOf(const WebhookJob& job) {
  return job.approval->meta.ns + "/" + job.approval->meta.name;
}

// Once, at the start: who configures it sees whether it can work.
void LogTarget(const WebhookOptions& options) {
  const auto target = ReadWebhookTarget(options.directory, options.allow_insecure);
  if (target.ok()) {
    base::LogInfo("webhook: approvers are told", {{"host", target->url.host}});
  } else {
    base::LogWarning("webhook: nobody can be told yet", {{"error", target.status().message()}});
  }
}

}  // namespace

Webhook::Webhook(WebhookOptions options, const base::Clock& clock, WebhookObserver observer)
    : options_(std::move(options)),
      clock_(clock),
      observer_(std::move(observer)),
      queue_(options_.capacity),
      thread_([this] { Work(); }) {}

Webhook::~Webhook() {
  Stop();
}

void Webhook::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

size_t Webhook::depth() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return queue_.depth();
}

void Webhook::Changed(std::shared_ptr<const api::Approval> approval) {
  if (!approval->phase) return;
  const bool pending = *approval->phase == api::ApprovalPhase::kPending;
  WebhookEnds ends;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    if (pending) {
      queue_.AddPending(std::move(approval), Now(), &ends);
    } else {
      queue_.AddSettled(std::move(approval), options_.outcomes, Now(), &ends);
    }
    changed_.notify_all();
  }
  Report(ends);
}

void Webhook::Work() {
  LogTarget(options_);
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    WebhookEnds ends;
    const std::optional<WebhookJob> job = queue_.Take(Now(), &ends);
    const auto next = queue_.NextDue();
    if (!job && ends.empty()) {
      if (next) {
        changed_.wait_until(lock, *next);
      } else {
        changed_.wait(lock);
      }
      continue;
    }
    lock.unlock();
    Report(ends);
    if (job) Send(*job);
    lock.lock();
  }
  lock.unlock();
  client_.reset();  // open calls end here; their callbacks still find this object
}

base::Result<http::WebClient*> Webhook::ClientFor(const std::string& ca_pem) {
  if (client_ && client_ca_ == ca_pem) return client_.get();
  auto made = http::WebClient::Create(ca_pem);
  if (!made.ok()) return made.status().WithContext("webhook's ca.crt");
  client_ = std::move(made).value();  // calls on the old one end as failed, and come again
  client_ca_ = ca_pem;
  return client_.get();
}

void Webhook::Send(const WebhookJob& job) {
  const auto target = ReadWebhookTarget(options_.directory, options_.allow_insecure);
  if (!target.ok()) return Ended(job, "", target.status());
  const auto client = ClientFor(target->ca_pem);
  if (!client.ok()) return Ended(job, target->url.host, client.status());
  const base::Time now = clock_.Now();
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(job.give_up - now);
  http::Request request;
  request.method = "POST";
  request.body = WebhookBody(*job.approval, job.event, options_.text, now);
  request.headers = {{"Content-Type", "application/json"},
                     {"User-Agent", "sandgate-operator/" SANDGATE_VERSION},
                     {"Sandgate-Delivery", DeliveryId(*job.approval, job.event)},
                     {"Sandgate-Signature", WebhookSignature(target->keys, now, request.body)}};
  (*client)->Call(target->url, std::move(request),
                  {std::min(options_.attempt_deadline, left), kMaxAnswerBytes},
                  [this, job, host = target->url.host](base::Result<http::Response> result) {
                    Ended(job, host, result);
                  });
}

void Webhook::Ended(const WebhookJob& job, const std::string& host,
                    const base::Result<http::Response>& result) {
  const WebhookVerdict verdict = Judge(result);
  WebhookEnds ends;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (verdict == WebhookVerdict::kRetry) {
      const auto wait = RetryWait(job.attempts + 1, Chance(), RetryAfter(result));
      queue_.Retry(job, wait, Now(), &ends);
    } else {
      queue_.Finish(job,
                    verdict == WebhookVerdict::kDelivered ? WebhookResult::kDelivered
                                                          : WebhookResult::kRefused,
                    &ends);
    }
    changed_.notify_all();
  }
  if (verdict != WebhookVerdict::kDelivered) {
    observer_.attempt_failed();
    // The first failure of a message speaks for those that follow.
    base::Log(job.attempts == 0 ? base::LogLevel::kWarning : base::LogLevel::kDebug,
              "webhook: an attempt failed",
              {{"approval", NameOf(job)},
               {"event", WebhookEventName(job.event)},
               {"host", host},
               {"error", Describe(result)}});
  }
  Report(ends);
}

void Webhook::Report(const WebhookEnds& ends) {
  for (const WebhookEnd& end : ends) {
    observer_.ended(end.job.event, end.result);
    const bool fine =
        end.result == WebhookResult::kDelivered || end.result == WebhookResult::kSuperseded;
    base::Log(fine ? base::LogLevel::kDebug : base::LogLevel::kWarning, "webhook: a message ended",
              {{"approval", NameOf(end.job)},
               {"event", WebhookEventName(end.job.event)},
               {"result", WebhookResultName(end.result)},
               {"failedAttempts", end.job.attempts}});
  }
}

}  // namespace sandgate::op
