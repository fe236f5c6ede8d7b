#include "libs/kube/api_error.h"

#include <string>

namespace sandgate::kube {
namespace {

using base::Code;

// etcd's and the API server's words for an object that will never fit.
bool TooLarge(const std::string& message) {
  return message.find("request is too large") != std::string::npos ||
         message.find("ResourceExhausted") != std::string::npos ||
         message.find("larger than max") != std::string::npos;
}

Code CodeOf(int64_t http, const std::string& reason, const std::string& message) {
  switch (http) {
    case 400:
    case 405:
    case 406:
    case 415:
    case 422:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 408:
    case 504:
      return Code::kDeadlineExceeded;
    case 409:
      return reason == "AlreadyExists" ? Code::kAlreadyExists : Code::kConflict;
    case 410:
      return Code::kGone;
    case 412:
      return Code::kConflict;
    case 413:
    case 429:
      return Code::kResourceExhausted;
    case 500:
      return TooLarge(message) ? Code::kResourceExhausted : Code::kInternal;
    case 503:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

std::string Cut(std::string text) {
  if (text.size() > kMaxErrorMessageBytes) text.resize(kMaxErrorMessageBytes);
  return text;
}

base::Status Build(int64_t http, const api::Json& status, std::string_view raw) {
  const std::string reason = api::StringOr(status, "reason");
  std::string message = api::StringOr(status, "message");
  if (message.empty()) message = std::string(raw.substr(0, kMaxErrorMessageBytes));
  if (message.empty()) message = "HTTP " + std::to_string(http);
  const Code code = CodeOf(http, reason, message);
  return base::Status(code, Cut(std::move(message)));
}

}  // namespace

base::Status StatusOf(const rest::Response& response) {
  if (response.status >= 200 && response.status < 300) return base::Status::Ok();
  const auto parsed = api::ParseJson(response.body);
  return Build(response.status, parsed.ok() ? *parsed : api::Json(), response.body);
}

base::Status StatusOfObject(const api::Json& status) {
  // An ERROR event without a code is still a failure: never ok.
  const int64_t http = api::IntOr(status, "code", 500);
  return Build(http >= 200 && http < 300 ? 500 : http, status, "");
}

}  // namespace sandgate::kube
