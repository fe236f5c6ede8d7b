#include "api-gateway/pending_call.h"

#include "libs/base/log.h"

namespace sandgate::gateway {

PendingCall::~PendingCall() {
  if (!answered_) {
    responder.Send(ErrorResponse({503, "Stopping", "the gateway is stopping; try again", ""}));
  }
}

void PendingCall::SetSeen(const std::string& uid, const std::string& sandbox) {
  const std::lock_guard<std::mutex> lock(mutex_);
  uid_ = uid;
  sandbox_ = sandbox;
}

std::string PendingCall::uid() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return uid_;
}

std::string PendingCall::sandbox() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sandbox_;
}

void PendingCall::Answer(http::Response response, const std::string& error) {
  if (answered_.exchange(true)) return;
  const std::string in = sandbox();
  const auto took = clock_.MonotonicNow() - started_;
  metrics_->CountRequest(request.label, response.status,
                         std::chrono::duration<double>(took).count());
  base::LogInfo(
      "call",
      {{"route", request.label},
       {"code", static_cast<int64_t>(response.status)},
       {"error", error},
       {"execution", uid().empty() ? "" : context.ns + "/" + execution},
       {"sandbox", in.empty() ? "" : context.ns + "/" + in},
       {"user", context.caller.who.username},
       {"millis", static_cast<int64_t>(
                      std::chrono::duration_cast<std::chrono::milliseconds>(took).count())}});
  responder.Send(std::move(response));
}

void PendingCall::AnswerLater(const api::Json& progress) {
  http::Response response = JsonResponse(202, api::DumpJson(progress) + "\n");
  response.headers.push_back({"Location", "/v1/executions/" + execution});
  Answer(std::move(response));
}

}  // namespace sandgate::gateway
