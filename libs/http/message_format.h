// Messages as bytes (RFC 9112): what this folder sends.
#pragma once

#include <string>
#include <string_view>

#include "libs/base/status.h"
#include "libs/http/message.h"

namespace sandgate::http {

// How the body's end is told.
enum class Framing { kLength, kChunked, kUntilClose };

// Status line and headers. A header that could forge another line, or a status that is none,
// is kInvalidArgument: nothing that a handler copied from a client gets through. Framing headers
// and Connection are this function's own; those of `response` are left out.
base::Result<std::string> FormatResponseHead(const Response& response, Framing framing,
                                             bool keep_alive);

// The whole request, Host and Content-Length included. kInvalidArgument as above.
base::Result<std::string> FormatRequest(const Request& request, std::string_view host);

// One chunk of chunked coding; `bytes` is not empty (an empty chunk would end the body).
std::string FormatChunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// {"error":{"code","message"}}
Response ErrorResponse(unsigned status, std::string_view code, std::string_view message);

// Statuses that never have a body.
bool HasNoBody(unsigned status);

}  // namespace sandgate::http
