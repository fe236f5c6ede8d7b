#include "runner/relay_logic.h"

#include "libs/egress/protocol.h"

namespace sandgate::runner {

std::optional<size_t> FirstLineBytes(std::string_view text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  return end + 1;
}

std::string WithGrant(std::string_view text, size_t line, std::string_view token) {
  std::string request;
  request.reserve(text.size() + token.size() + sizeof egress::kGrantHeader + 4);
  request.append(text.substr(0, line));
  request.append(egress::kGrantHeader).append(": ").append(token).append("\r\n");
  request.append(text.substr(line));
  return request;
}

std::optional<AnswerHead> ReadAnswerHead(std::string_view text) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const size_t end = text.find(kEnd);
  if (end == std::string_view::npos) return std::nullopt;
  return AnswerHead{end + kEnd.size(), text.starts_with("HTTP/1.1 200 ")};
}

}  // namespace sandgate::runner
