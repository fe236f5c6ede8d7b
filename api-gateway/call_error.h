// What a caller is told when a call is no tool's result: {"error": {"code", "message", "field"?}}.
#pragma once

#include <string>

#include "libs/base/status.h"
#include "libs/http/message.h"

namespace sandgate::gateway {

struct CallError {
  unsigned status = 400;  // HTTP
  std::string code;       // one word for programs
  std::string message;    // what is wrong and what would be right
  std::string field;      // of the request, or ""
};

// A failure of the API server's, as the caller should see it. Its own words are kept where they
// are about the caller's request; failures between us and it are not the caller's business.
CallError FromStatus(const base::Status& status);

http::Response ErrorResponse(const CallError& error);
http::Response JsonResponse(unsigned status, std::string body);

}  // namespace sandgate::gateway
