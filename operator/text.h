// Text that people read, cut to a limit.
#pragma once

#include <string>

namespace sandgate::op {

// The first `limit` bytes of UTF-8 at the most, never half of a character.
inline std::string CutUtf8(const std::string& text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace sandgate::op
