#include "libs/http/body_reader.h"

#include <algorithm>
#include <charconv>

namespace sandgate::http {
namespace {

constexpr int kMaxSizeDigits = 16;         // hexadecimal: 64 bits
constexpr size_t kMaxReserve = 64 * 1024;  // a promise of a length is worth no more memory

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsText(char c) {
  return static_cast<unsigned char>(c) >= 0x20 ? c != 0x7f : c == '\t';
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);  // takes no sign
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<BodyFraming> FramingOf(const std::vector<Header>& headers) {
  using Kind = BodyFraming::Kind;
  BodyFraming framing;
  for (const Header& header : headers) {
    const bool is_length = EqualNames(header.name, "Content-Length");
    if (!is_length && !EqualNames(header.name, "Transfer-Encoding")) continue;
    if (framing.kind != Kind::kNone) return std::nullopt;  // a second word on the same matter
    if (is_length) {
      const std::optional<uint64_t> length = Number(header.value);
      if (!length) return std::nullopt;
      framing = {Kind::kLength, *length};
    } else {
      if (!EqualNames(header.value, "chunked")) return std::nullopt;
      framing = {Kind::kChunked, 0};
    }
  }
  return framing;
}

BodyReader::BodyReader(BodyFraming framing, size_t max_bytes)
    : framing_(framing), max_bytes_(max_bytes) {
  if (framing.kind == BodyFraming::Kind::kNone) state_ = State::kDone;
  if (framing.kind != BodyFraming::Kind::kLength) return;
  left_ = framing.length;
  if (left_ > max_bytes) {
    state_ = State::kTooLarge;
  } else if (left_ == 0) {
    state_ = State::kDone;
  } else {
    body_.reserve(std::min<size_t>(left_, kMaxReserve));
  }
}

size_t BodyReader::Append(std::string_view bytes, uint64_t want) {
  const size_t size = static_cast<size_t>(std::min<uint64_t>(bytes.size(), want));
  body_.append(bytes.substr(0, size));
  return size;
}

size_t BodyReader::Feed(std::string_view bytes) {
  if (state_ != State::kReading) return 0;
  size_t taken = 0;
  switch (framing_.kind) {
    case BodyFraming::Kind::kNone:
      break;
    case BodyFraming::Kind::kLength:
      taken = Append(bytes, left_);
      left_ -= taken;
      if (left_ == 0) state_ = State::kDone;
      break;
    case BodyFraming::Kind::kChunked:
      taken = FeedChunked(bytes);
      break;
    case BodyFraming::Kind::kUntilClose:
      taken = Append(bytes, max_bytes_ - body_.size());
      if (taken < bytes.size()) state_ = State::kTooLarge;
      break;
  }
  return taken;
}

void BodyReader::End() {
  if (state_ != State::kReading) return;
  state_ = framing_.kind == BodyFraming::Kind::kUntilClose ? State::kDone : State::kMalformed;
}

size_t BodyReader::FeedChunked(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && state_ == State::kReading) {
    if (part_ == Part::kData) {
      const size_t size = Append(bytes.substr(taken), left_);
      left_ -= size;
      taken += size;
      if (left_ == 0) part_ = Part::kDataCr;
    } else {
      state_ = ByteOfChunked(bytes[taken]);
      ++taken;
    }
  }
  return taken;
}

BodyReader::State BodyReader::ByteOfChunked(char c) {
  switch (part_) {
    case Part::kSize:
      return ByteOfSize(c);
    case Part::kExtension:  // means nothing here
      if (c == '\r') part_ = Part::kSizeEnd;
      return (c == '\r' || IsText(c)) && Overhead() ? State::kReading : State::kMalformed;
    case Part::kSizeEnd:
      return c == '\n' ? EndOfSize() : State::kMalformed;
    case Part::kData:
      break;  // FeedChunked takes these
    case Part::kDataCr:
      part_ = Part::kDataLf;
      return c == '\r' ? State::kReading : State::kMalformed;
    case Part::kDataLf:
      part_ = Part::kSize;
      digits_ = 0;
      return c == '\n' ? State::kReading : State::kMalformed;
    case Part::kTrailer:
      return ByteOfTrailer(c);
    case Part::kTrailerEnd:
      if (c != '\n') return State::kMalformed;
      if (line_empty_) return State::kDone;
      part_ = Part::kTrailer;
      line_empty_ = true;
      return State::kReading;
  }
  return State::kMalformed;
}

BodyReader::State BodyReader::ByteOfSize(char c) {
  const int value = HexValue(c);
  if (value >= 0) {
    if (++digits_ > kMaxSizeDigits) return State::kMalformed;
    if (left_ == 0 && digits_ > 1 && !Overhead()) return State::kMalformed;  // leading zeros
    left_ = left_ * 16 + static_cast<uint64_t>(value);
    return State::kReading;
  }
  if (digits_ == 0 || (c != ';' && c != '\r')) return State::kMalformed;
  part_ = c == ';' ? Part::kExtension : Part::kSizeEnd;
  return State::kReading;
}

BodyReader::State BodyReader::EndOfSize() {
  if (left_ > max_bytes_ - body_.size()) return State::kTooLarge;
  part_ = left_ == 0 ? Part::kTrailer : Part::kData;
  return State::kReading;
}

// Trailers are read over: a header that comes after the body must not pass for one before it.
BodyReader::State BodyReader::ByteOfTrailer(char c) {
  if (c == '\r') {
    part_ = Part::kTrailerEnd;
    return State::kReading;
  }
  line_empty_ = false;
  return IsText(c) && Overhead() ? State::kReading : State::kMalformed;
}

}  // namespace sandgate::http
