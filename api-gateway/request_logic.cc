#include "api-gateway/request_logic.h"

#include <algorithm>
#include <charconv>

#include "api-gateway/auth.h"
#include "api-gateway/parameters_logic.h"
#include "api-gateway/tool_call.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxIdempotencyKey = 255;
constexpr std::string_view kTools = "/v1/tools/";
constexpr std::string_view kExecutions = "/v1/executions/";

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The tools that metrics may name; anything else would let callers make labels.
std::string ToolLabel(std::string_view tool) {
  for (const std::string_view known : kToolNames) {
    if (tool == known) return std::string(known);
  }
  return "other_tool";
}

std::optional<CallError> CheckSingle(const http::Request& request, const char* name) {
  if (request.HeaderCount(name) <= 1) return std::nullopt;
  return CallError{400, "InvalidHeader", std::string(name) + " may stand only once", name};
}

std::optional<CallError> ReadCredentials(const http::Request& request, GatewayRequest* parsed) {
  if (auto error = CheckSingle(request, "Authorization")) return error;
  const auto token = BearerToken(request.HeaderValue("Authorization"));
  if (!token) {
    return CallError{401, "Unauthorized",
                     "send Authorization: Bearer <a token that the Kubernetes API accepts>",
                     "Authorization"};
  }
  parsed->token = *token;
  return std::nullopt;
}

std::optional<CallError> ReadNamespace(const http::Request& request, GatewayRequest* parsed) {
  constexpr char kHeader[] = "Sandgate-Namespace";
  if (auto error = CheckSingle(request, kHeader)) return error;
  if (request.HeaderCount(kHeader) == 0) return std::nullopt;
  parsed->ns = request.HeaderValue(kHeader);
  if (IsDnsLabel(parsed->ns, 63)) return std::nullopt;
  return CallError{400, "InvalidHeader", "Sandgate-Namespace must be a namespace's name", kHeader};
}

std::optional<CallError> ReadIdempotencyKey(const http::Request& request, GatewayRequest* parsed) {
  constexpr char kHeader[] = "Idempotency-Key";
  if (auto error = CheckSingle(request, kHeader)) return error;
  if (request.HeaderCount(kHeader) == 0) return std::nullopt;
  const std::string_view key = Trim(request.HeaderValue(kHeader));
  const bool printable =
      std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (key.empty() || key.size() > kMaxIdempotencyKey || !printable) {
    return CallError{400, "InvalidHeader",
                     "Idempotency-Key must have 1 to 255 printable ASCII characters", kHeader};
  }
  parsed->idempotency_key = key;
  return std::nullopt;
}

// RFC 7240: respond-async and wait=SECONDS; preferences that are not known are ignored.
void ReadPreferences(const http::Request& request, GatewayRequest* parsed) {
  std::string_view rest = request.HeaderValue("Prefer");
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string preference = Lower(Trim(rest.substr(0, comma)));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (preference == "respond-async") parsed->respond_async = true;
    if (preference.starts_with("wait=")) {
      if (const auto wait = ParseWait(preference.substr(5))) parsed->wait = *wait;
    }
  }
}

bool IsJson(std::string_view content_type) {
  const std::string type = Lower(Trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/json";
}

// What a path may be asked with; "" when the path is not known.
std::string FindRoute(std::string_view path, GatewayRequest* parsed) {
  if (path == "/v1/tools") {
    parsed->route = Route::kToolList;
    parsed->label = "tools";
    return "GET";
  }
  if (path == "/openapi.json") {
    parsed->route = Route::kOpenApi;
    parsed->label = "openapi";
    return "GET";
  }
  if (path.starts_with(kTools)) {
    parsed->route = Route::kTool;
    parsed->name = path.substr(kTools.size());
    parsed->label = ToolLabel(parsed->name);
    return "POST";
  }
  if (path.starts_with(kExecutions)) {
    parsed->route = Route::kExecution;
    parsed->name = path.substr(kExecutions.size());
    parsed->label = "executions";
    return "GET";
  }
  parsed->label = "other";
  return "";
}

std::optional<CallError> ReadRoute(const http::Request& request, GatewayRequest* parsed) {
  switch (parsed->route) {
    case Route::kToolList:
    case Route::kOpenApi:
      return std::nullopt;
    case Route::kTool:
      if (!IsJson(request.HeaderValue("Content-Type"))) {
        return CallError{415, "UnsupportedMediaType", "send Content-Type: application/json",
                         "Content-Type"};
      }
      parsed->wait = kMaxWait;
      ReadPreferences(request, parsed);
      return ReadIdempotencyKey(request, parsed);
    case Route::kExecution: {
      if (!IsDnsLabel(parsed->name, 63)) {
        return CallError{404, "NotFound", "there is no Execution of that name", ""};
      }
      const std::string wait = http::QueryParameter(request.Query(), "wait");
      const auto seconds = ParseWait(wait.empty() ? "0" : wait);
      if (!seconds) {
        return CallError{400, "InvalidParameter", "wait must be like 30s or 5m, at most 10m",
                         "wait"};
      }
      parsed->wait = *seconds;
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::seconds> ParseWait(std::string_view text) {
  int64_t scale = 1;
  if (text.ends_with('s') || text.ends_with('m')) {
    scale = text.back() == 'm' ? 60 : 1;
    text.remove_suffix(1);
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < 0 || value > kMaxWait.count() / scale) return std::nullopt;
  return std::chrono::seconds(value * scale);
}

std::variant<GatewayRequest, RequestError> ParseRequest(const http::Request& request) {
  GatewayRequest parsed;
  const std::string method = FindRoute(request.Path(), &parsed);
  const auto fail = [&](CallError error, std::string allow = "") {
    return RequestError{std::move(error), parsed.label, std::move(allow)};
  };
  if (method.empty()) {
    return fail({404, "NotFound", "there is nothing here; see GET /openapi.json", ""});
  }
  if (request.method != method) {
    return fail({405, "MethodNotAllowed", "use " + method + " here", ""}, method);
  }
  if (parsed.route == Route::kToolList || parsed.route == Route::kOpenApi) return parsed;
  if (auto error = ReadCredentials(request, &parsed)) return fail(*error);
  if (auto error = ReadNamespace(request, &parsed)) return fail(*error);
  if (auto error = ReadRoute(request, &parsed)) return fail(*error);
  return parsed;
}

}  // namespace sandgate::gateway
