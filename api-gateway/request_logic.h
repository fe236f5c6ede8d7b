// An HTTP request's line and headers to what is asked for. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include "api-gateway/call_error.h"
#include "libs/http/message.h"

namespace sandgate::gateway {

inline constexpr std::chrono::seconds kMaxWait{600};  // then 202, and the caller asks again

enum class Route { kTool, kExecution, kToolList, kOpenApi };

struct GatewayRequest {
  Route route = Route::kToolList;
  std::string name;   // of the tool or the Execution
  std::string label;  // of the route, for metrics and logs: one of a fixed few
  std::string token;  // "" on routes that need none. A secret.
  std::string ns;     // of the header Sandgate-Namespace; "" = the caller's own
  std::string idempotency_key;
  bool respond_async = false;
  std::chrono::seconds wait{0};  // how long to wait for a result
};

// The label is set in errors too, so that they are counted where they belong.
struct RequestError {
  CallError error;
  std::string label;
  std::string allow;  // of 405: the header Allow
};

std::variant<GatewayRequest, RequestError> ParseRequest(const http::Request& request);

// "30s", "2m" or "30" (seconds), from 0 to kMaxWait.
std::optional<std::chrono::seconds> ParseWait(std::string_view text);

}  // namespace sandgate::gateway
