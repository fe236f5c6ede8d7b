#include "libs/http/message_format.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string>

#include "libs/base/clock.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Status;

constexpr unsigned kMinStatus = 200;  // 1xx are no answers
constexpr unsigned kMaxStatus = 599;

bool IsTokenChar(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kOthers.find(c) != std::string_view::npos;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar);
}

bool IsFieldValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

bool IsTarget(std::string_view text) {
  return text.starts_with('/') &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool IsFraming(std::string_view name) {
  return EqualNames(name, "Content-Length") || EqualNames(name, "Transfer-Encoding") ||
         EqualNames(name, "Connection") || EqualNames(name, "Keep-Alive");
}

std::string_view Reason(unsigned status) {
  struct Entry {
    unsigned status;
    std::string_view reason;
  };
  static constexpr Entry kReasons[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  for (const Entry& entry : kReasons) {
    if (entry.status == status) return entry.reason;
  }
  return "Unknown";
}

// IMF-fixdate of RFC 9110, whatever the locale says.
std::string HttpDate(base::Time now) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 96> text;
  const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                 kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                                 kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900,
                                 utc.tm_hour, utc.tm_min, utc.tm_sec);
  return std::string(text.data(), static_cast<size_t>(size));
}

void AppendHeader(std::string* out, std::string_view name, std::string_view value) {
  out->append(name).append(": ").append(value).append("\r\n");
}

Status AppendHeaders(const std::vector<Header>& headers, std::string* out) {
  for (const Header& header : headers) {
    if (!IsToken(header.name)) return Status(Code::kInvalidArgument, "header name is no token");
    if (!IsFieldValue(header.value)) {
      return Status(Code::kInvalidArgument, "control character in header " + header.name);
    }
    if (!IsFraming(header.name)) AppendHeader(out, header.name, header.value);
  }
  return Status::Ok();
}

void AppendEscaped(std::string* out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '"' || byte == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (byte >= 0x20 && byte < 0x7f) {
      out->push_back(c);
    } else {
      std::array<char, 8> escape;
      std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
      out->append(escape.data());
    }
  }
}

}  // namespace

bool HasNoBody(unsigned status) {
  return status < kMinStatus || status == 204 || status == 304;
}

base::Result<std::string> FormatResponseHead(const Response& response, Framing framing,
                                             bool keep_alive) {
  if (response.status < kMinStatus || response.status > kMaxStatus) {
    return Status(Code::kInvalidArgument, "status " + std::to_string(response.status));
  }
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out.append(Reason(response.status)).append("\r\n");
  const Status added = AppendHeaders(response.headers, &out);
  if (!added.ok()) return added;
  if (FindHeader(response.headers, "Date").empty()) {
    AppendHeader(&out, "Date", HttpDate(base::RealClock().Now()));
  }
  if (!HasNoBody(response.status)) {
    if (framing == Framing::kLength) {
      AppendHeader(&out, "Content-Length", std::to_string(response.body.size()));
    } else if (framing == Framing::kChunked) {
      AppendHeader(&out, "Transfer-Encoding", "chunked");
    }
  }
  if (!keep_alive) AppendHeader(&out, "Connection", "close");
  out.append("\r\n");
  return out;
}

base::Result<std::string> FormatRequest(const Request& request, std::string_view host) {
  if (!IsToken(request.method)) return Status(Code::kInvalidArgument, "method is no token");
  if (!IsTarget(request.target)) return Status(Code::kInvalidArgument, "target is no path");
  std::string out = request.method + ' ' + request.target + " HTTP/1.1\r\n";
  if (request.HeaderCount("Host") == 0) AppendHeader(&out, "Host", host);
  const Status added = AppendHeaders(request.headers, &out);
  if (!added.ok()) return added;
  const bool bodiless = request.method == "GET" || request.method == "HEAD";
  if (!request.body.empty() || !bodiless) {
    AppendHeader(&out, "Content-Length", std::to_string(request.body.size()));
  }
  out.append("\r\n").append(request.body);
  return out;
}

std::string FormatChunk(std::string_view bytes) {
  std::array<char, 24> size;
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  std::string out = size.data();
  out.append(bytes).append("\r\n");
  return out;
}

Response ErrorResponse(unsigned status, std::string_view code, std::string_view message) {
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json"}};
  response.body = "{\"error\":{\"code\":\"";
  AppendEscaped(&response.body, code);
  response.body += "\",\"message\":\"";
  AppendEscaped(&response.body, message);
  response.body += "\"}}\n";
  return response;
}

}  // namespace sandgate::http
