#include "tests/support/fake_route.h"

#include <cstdlib>

namespace sandgate::testing {
namespace {

std::string Decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const std::string hex(text.substr(i + 1, 2));
      out.push_back(static_cast<char>(std::strtol(hex.c_str(), nullptr, 16)));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

std::map<std::string, std::string> ParseQuery(std::string_view text) {
  std::map<std::string, std::string> query;
  for (const std::string& part : Split(text, '&')) {
    const size_t at = part.find('=');
    query[Decode(part.substr(0, at))] = at == std::string::npos ? "" : Decode(part.substr(at + 1));
  }
  return query;
}

}  // namespace

std::optional<Call> ParseCall(const rest::Request& request) {
  const size_t question = request.path.find('?');
  Call call;
  if (question != std::string::npos) call.query = ParseQuery(request.path.substr(question + 1));
  std::vector<std::string> parts;
  for (const std::string& part : Split(request.path.substr(0, question), '/')) {
    parts.push_back(Decode(part));
  }
  if (parts.empty()) return std::nullopt;
  std::string group;
  size_t at = 2;  // after "api/v1"
  if (parts[0] == "apis" && parts.size() > 3) {
    group = parts[1];
    at = 3;
  } else if (parts[0] != "api" || parts.size() < 3) {
    return std::nullopt;
  }
  if (parts[at] == "namespaces" && parts.size() > at + 2) {
    call.key.ns = parts[at + 1];
    at += 2;
  }
  call.key.resource = group.empty() ? parts[at] : parts[at] + "." + group;
  if (parts.size() > at + 1) call.key.name = parts[at + 1];
  if (parts.size() > at + 2) call.subresource = parts[at + 2];
  call.method = request.method;
  call.content_type = request.content_type;
  call.body = request.body;
  call.token = request.bearer_token;
  call.watch = call.query.contains("watch");
  call.dry_run = call.query.contains("dryRun");
  return call;
}

}  // namespace sandgate::testing
