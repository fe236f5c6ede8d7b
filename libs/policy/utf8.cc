#include "libs/policy/utf8.h"

#include <cstdint>
#include <cstring>

namespace sandgate::policy {
namespace {

// Length of the well-formed character at `at` (Unicode 15, table 3-7); 0: there is none.
size_t CharacterAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto more = [&](size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return more(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return more(1) && more(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool beyond = lead == 0xF4 && byte(1) > 0x8F;
    return more(1) && more(2) && more(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

// From `at` over ASCII, eight bytes at a time.
size_t SkipAscii(std::string_view text, size_t at) {
  constexpr uint64_t kHighBits = 0x8080808080808080U;
  for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof(word));
    if ((word & kHighBits) != 0) break;
  }
  return at;
}

// The first byte from `at` on that is no UTF-8; the end when there is none.
size_t NextBad(std::string_view text, size_t at) {
  while (at < text.size()) {
    at = SkipAscii(text, at);
    if (at >= text.size()) break;
    const size_t length = CharacterAt(text, at);
    if (length == 0) return at;
    at += length;
  }
  return text.size();
}

}  // namespace

bool IsUtf8(std::string_view text) {
  return NextBad(text, 0) == text.size();
}

std::string WithoutBadUtf8(std::string text) {
  for (size_t at = NextBad(text, 0); at < text.size(); at = NextBad(text, at)) text[at] = '?';
  return text;
}

}  // namespace sandgate::policy
