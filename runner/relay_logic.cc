#include "runner/relay_logic.h"

#include <charconv>

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
  constexpr std::string_view kEnd = "\r\n\r\n", kVersion = "HTTP/1.1 ";
  const size_t end = text.find(kEnd);
  if (end == std::string_view::npos) return std::nullopt;
  AnswerHead head{end + kEnd.size(), 0};
  if (!text.starts_with(kVersion)) return head;
  unsigned status = 0;
  const char* const from = text.data() + kVersion.size();
  const auto [rest, error] = std::from_chars(from, text.data() + end, status);
  if (error == std::errc() && rest == from + 3 && *rest == ' ') head.status = status;
  return head;
}

}  // namespace sandgate::runner
