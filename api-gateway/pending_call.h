// One HTTP request on its way to an answer.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "api-gateway/kube_calls.h"
#include "api-gateway/metrics.h"
#include "api-gateway/request_logic.h"
#include "libs/http/server.h"

namespace sandgate::gateway {

// `body`, `context` and `execution` are written by the one job that begins the call, before it
// waits; read-only afterwards. The rest is thread-safe.
class PendingCall {
 public:
  PendingCall(GatewayRequest asked, std::string request_body, http::Responder answer_to,
              Metrics* metrics, const base::Clock& clock)
      : request(std::move(asked)),
        body(std::move(request_body)),
        responder(std::move(answer_to)),
        metrics_(metrics),
        clock_(clock),
        started_(clock.MonotonicNow()) {}
  // One that nobody answered (the program is stopping) is told to come again.
  ~PendingCall();
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;

  // Sends, counts and logs. The first answer counts.
  void Answer(http::Response response) { Answer(std::move(response), ""); }
  void Answer(const CallError& error) { Answer(ErrorResponse(error), error.code); }
  // `error`: the code of a refusal, for the log.
  void Answer(http::Response response, const std::string& error);
  // 202 with where to ask again.
  void AnswerLater(const api::Json& progress);

  const GatewayRequest request;
  std::string body;
  const http::Responder responder;
  CallContext context;    // once the caller is known
  std::string execution;  // name of the Execution waited for

  // The object waited for, once it was seen: another one of the same name is not it.
  void SetSeen(const std::string& uid, const std::string& sandbox);
  std::string uid() const;  // "" = none seen yet
  std::string sandbox() const;

 private:
  std::atomic<bool> answered_ = false;
  mutable std::mutex mutex_;
  std::string uid_;      // guarded by mutex_
  std::string sandbox_;  // guarded by mutex_
  Metrics* const metrics_;
  const base::Clock& clock_;
  const base::MonotonicTime started_;
};

}  // namespace sandgate::gateway
