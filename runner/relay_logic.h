// What a relayed connection begins with, on either side (libs/egress/protocol.h). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandgate::runner {

// The bytes of the first line, its LF included; nullopt while there is no LF.
std::optional<size_t> FirstLineBytes(std::string_view text);

// `text`, which begins with a line of `line` bytes, with the grant's header behind that line.
std::string WithGrant(std::string_view text, size_t line, std::string_view token);

// The head of the proxy's answer to BySniRequest.
struct AnswerHead {
  size_t bytes = 0;     // its empty line included
  unsigned status = 0;  // 200: what follows is the tunnel's; 0: it is no answer of the proxy's
};
// nullopt while the head is not complete.
std::optional<AnswerHead> ReadAnswerHead(std::string_view text);

}  // namespace sandgate::runner
