// Text that people read: cut to a limit, and without anything that plays tricks on a terminal.
#pragma once

#include <cstdint>
#include <string>

namespace sandgate::op {

// The first `limit` bytes of UTF-8 at the most, never half of a character.
inline std::string CutUtf8(const std::string& text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// On one line: what is not printable ASCII becomes '?', one for each character. Names that look
// like others in other letters do not get through either.
inline std::string Printable(const std::string& text) {
  std::string clean;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      clean += c;
    } else if ((byte & 0xC0U) != 0x80U) {
      clean += '?';
    }
  }
  return clean;
}

}  // namespace sandgate::op
