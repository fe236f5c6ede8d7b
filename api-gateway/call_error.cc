#include "api-gateway/call_error.h"

#include "libs/api/json.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxHalf = 1024;

// The API server repeats a value that it refuses, all of it, and says what is wrong behind it.
std::string Shortened(const std::string& message) {
  if (message.size() <= 2 * kMaxHalf) return message;
  return message.substr(0, kMaxHalf) + " ... " + message.substr(message.size() - kMaxHalf);
}

}  // namespace

CallError FromStatus(const base::Status& status) {
  using base::Code;
  const std::string message = Shortened(status.message());
  switch (status.code()) {
    case Code::kOk:
    case Code::kInternal:
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kUnavailable:
    case Code::kGone:
      return {503, "Unavailable", "the Kubernetes API cannot be reached now; try again", ""};
    case Code::kInvalidArgument:
      return {422, "Invalid", message, ""};
    case Code::kNotFound:
      return {404, "NotFound", message, ""};
    case Code::kAlreadyExists:
    case Code::kConflict:
      return {409, "Conflict", message, ""};
    case Code::kPermissionDenied:
      return {403, "Forbidden", message, ""};
    case Code::kUnauthenticated:
      return {401, "Unauthorized", "the bearer token is not accepted by the Kubernetes API", ""};
    case Code::kResourceExhausted:
      return {429, "TooManyRequests", message, ""};
  }
  return {503, "Unavailable", "try again", ""};
}

http::Response JsonResponse(unsigned status, std::string body) {
  http::Response response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  response.body = std::move(body);
  return response;
}

http::Response ErrorResponse(const CallError& error) {
  api::Json json = {{"code", error.code}, {"message", error.message}};
  if (!error.field.empty()) json["field"] = error.field;
  http::Response response = JsonResponse(error.status, api::DumpJson({{"error", json}}) + "\n");
  if (error.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  if (error.status == 429 || error.status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace sandgate::gateway
