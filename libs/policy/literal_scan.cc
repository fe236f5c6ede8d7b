#include "libs/policy/literal_scan.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace sandgate::policy {
namespace {

constexpr size_t kWindow = 3;
constexpr size_t kMaxBuckets = 254;

constexpr bool IsWordByte(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

uint32_t Three(const char* at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(at[i])); };
  return byte(0) | byte(1) << 8U | byte(2) << 16U;
}

uint32_t Four(const char* at) {
  uint32_t value = 0;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace

LiteralScan::LiteralScan(std::vector<std::string> words) : words_(std::move(words)) {
  for (size_t i = 0; i < words_.size(); ++i) {
    const std::string& word = words_[i];
    if (word.size() < 2) std::abort();  // our own tables; every test would meet this
    if (word.size() >= kWindow) {
      Enter(Three(word.data()), static_cast<uint16_t>(i));
      continue;
    }
    for (unsigned c = 0; c < 256; ++c) {
      if (IsWordByte(static_cast<unsigned char>(c))) continue;
      const char window[] = {word[0], word[1], static_cast<char>(c)};
      Enter(Three(window), static_cast<uint16_t>(i));
    }
  }
}

void LiteralScan::Enter(uint32_t three_bytes, uint16_t word) {
  uint8_t& entry = table_[Slot(three_bytes)];
  // Words that share a slot share a bucket, and equal sets of words share one.
  std::vector<uint16_t> bucket;
  if (entry != 0) bucket = buckets_[entry - 1U];
  if (std::find(bucket.begin(), bucket.end(), word) != bucket.end()) return;
  bucket.push_back(word);
  auto known = std::find(buckets_.begin(), buckets_.end(), bucket);
  if (known == buckets_.end()) {
    if (buckets_.size() == kMaxBuckets) std::abort();
    buckets_.push_back(bucket);
    known = buckets_.end() - 1;
  }
  entry = static_cast<uint8_t>(known - buckets_.begin() + 1);
}

void LiteralScan::Check(std::string_view text, size_t at, uint8_t bucket,
                        std::vector<Found>* found) const {
  for (const uint16_t index : buckets_[bucket - 1U]) {
    const std::string& word = words_[index];
    if (text.compare(at, word.size(), word) != 0) continue;
    const size_t end = at + word.size();
    if (word.size() < kWindow && end < text.size() &&
        IsWordByte(static_cast<unsigned char>(text[end]))) {
      continue;
    }
    Found& mine = (*found)[index];
    if (mine.positions.size() < kMaxPositions) {
      mine.positions.push_back(static_cast<uint32_t>(at));
    } else if (mine.overflow == std::string_view::npos) {
      mine.overflow = at;
    }
  }
}

std::vector<LiteralScan::Found> LiteralScan::Scan(std::string_view text) const {
  // The load below reads four bytes and looks at three, whichever end comes first in memory.
  constexpr bool kLittle = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  std::vector<Found> found(words_.size());
  size_t at = 0;
  for (; at + sizeof(uint32_t) <= text.size(); ++at) {
    const uint32_t window = kLittle ? Four(text.data() + at) & 0xFFFFFFU : Three(text.data() + at);
    const uint8_t bucket = table_[Slot(window)];
    if (__builtin_expect(bucket != 0, 0)) Check(text, at, bucket, &found);
  }
  for (; at + 2 <= text.size(); ++at) {
    // The end of a text counts as a byte of no word.
    const char window[] = {text[at], text[at + 1], at + 2 < text.size() ? text[at + 2] : '\0'};
    const uint8_t bucket = table_[Slot(Three(window))];
    if (bucket != 0) Check(text, at, bucket, &found);
  }
  return found;
}

}  // namespace sandgate::policy
