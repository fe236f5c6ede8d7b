#include "libs/policy/look_alikes.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace sandgate::policy {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// Every character that may stand in a Python identifier and whose NFKC form has an ASCII letter or
// is an underscore (Unicode 15), in order; blocks with gaps are taken whole.
constexpr Range kRanges[] = {
    {0xAA, 0xAA},      {0xBA, 0xBA},     {0x132, 0x133},   {0x13F, 0x140},   {0x149, 0x149},
    {0x17F, 0x17F},    {0x1C4, 0x1CC},   {0x1F1, 0x1F3},   {0x2B0, 0x2B8},   {0x2E1, 0x2E3},
    {0x1D2C, 0x1D6A},  {0x1D9C, 0x1DBB}, {0x1E9A, 0x1E9A}, {0x2071, 0x2071}, {0x207F, 0x207F},
    {0x2090, 0x209C},  {0x2102, 0x2102}, {0x210A, 0x2113}, {0x2115, 0x2115}, {0x2119, 0x211D},
    {0x2124, 0x2124},  {0x2128, 0x2128}, {0x212A, 0x2134}, {0x2139, 0x2139}, {0x2145, 0x2149},
    {0x2160, 0x217F},  {0x2C7C, 0x2C7D}, {0xA7F2, 0xA7F4}, {0xFB00, 0xFB06}, {0xFE33, 0xFE34},
    {0xFE4D, 0xFE4F},  {0xFF21, 0xFF3A}, {0xFF3F, 0xFF3F}, {0xFF41, 0xFF5A}, {0x107A5, 0x107A5},
    {0x1D400, 0x1D6A3}};

constexpr bool IsNameByte(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsLookAlike(uint32_t c) {
  constexpr uint32_t kGapFirst = 0x2C7E, kGapLast = 0xA7F1;  // most of what is written in East Asia
  if (c < kRanges[0].first || (c >= kGapFirst && c <= kGapLast)) return false;
  const auto* range =
      std::partition_point(std::begin(kRanges), std::end(kRanges),
                           [&](const Range& candidate) { return candidate.last < c; });
  return range != std::end(kRanges) && c >= range->first;
}

// The character at `at` and its length; 0xFFFD and 1 for what is no UTF-8.
uint32_t Decode(std::string_view text, size_t at, size_t* length) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const uint32_t lead = byte(0);
  *length = 1;
  const size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  if (lead < 0x80) return lead;
  if (more == 0) return 0xFFFD;
  uint32_t c = lead & (0x3FU >> more);
  for (size_t i = 1; i <= more; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0xFFFD;
    c = (c << 6U) | (byte(i) & 0x3FU);
  }
  *length = more + 1;
  return c;
}

// Behind the characters from U+3000 to U+9FFF that stand at `at`: most of what is written in East
// Asia, and nothing there looks like ASCII to Python.
size_t SkipEastAsia(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  while (at + 2 < text.size() && byte(at) >= 0xE3 && byte(at) <= 0xE9 &&
         (byte(at + 1) & 0xC0U) == 0x80U && (byte(at + 2) & 0xC0U) == 0x80U) {
    at += 3;
  }
  return at;
}

// The next byte of another character than ASCII's, from `at` on; eight bytes at a time.
size_t NextNonAscii(std::string_view text, size_t at) {
  constexpr uint64_t kHighBits = 0x8080808080808080U;
  for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof(word));
    if ((word & kHighBits) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

size_t FindLookAlike(std::string_view code) {
  constexpr uint32_t kFeminine = 0xAA, kMasculine = 0xBA;  // also signs: 1a, n. o
  for (size_t at = NextNonAscii(code, 0); at < code.size();) {
    if (const size_t end = SkipEastAsia(code, at); end > at) {
      at = NextNonAscii(code, end);
      continue;
    }
    size_t length = 1;
    const uint32_t c = Decode(code, at, &length);
    if (IsLookAlike(c)) {
      const size_t end = at + length;
      size_t unused = 0;
      const bool after = end < code.size() && (IsNameByte(static_cast<unsigned char>(code[end])) ||
                                               IsLookAlike(Decode(code, end, &unused)));
      const bool before = at > 0 && IsNameByte(static_cast<unsigned char>(code[at - 1])) &&
                          c != kFeminine && c != kMasculine;
      if (after || before) return at;
    }
    at = NextNonAscii(code, at + length);
  }
  return std::string_view::npos;
}

}  // namespace sandgate::policy
