// Bytes to one message's body (RFC 9112 sections 6 and 7), for requests and answers alike. Beast's
// parser reads the heads alone: its chunk reader aborts on "0\r\n" followed by a single byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/http/message.h"

namespace sandgate::http {

// How a head says where its body ends.
struct BodyFraming {
  enum class Kind { kNone, kLength, kChunked, kUntilClose } kind = Kind::kNone;
  uint64_t length = 0;  // kLength
};

// The framing of a head's own headers: kNone when they say nothing. nullopt when they contradict
// each other or say what nobody should guess at: two lengths, a length beside a coding, a list.
std::optional<BodyFraming> FramingOf(const std::vector<Header>& headers);

// Takes all it is given, byte by byte where it must: nothing waits outside of it.
class BodyReader {
 public:
  // Extensions, leading zeros and trailers of one chunked body together.
  static constexpr size_t kMaxOverheadBytes = 16 * 1024;

  enum class State { kReading, kDone, kTooLarge, kMalformed };

  // A declared length beyond `max_bytes` is kTooLarge at once.
  BodyReader(BodyFraming framing, size_t max_bytes);

  // Returns how much is the body's; less than all only when it ends there.
  size_t Feed(std::string_view bytes);
  // The peer closed in good order: the end of kUntilClose, malformed for the others.
  void End();

  State state() const { return state_; }
  std::string Take() { return std::move(body_); }

 private:
  enum class Part { kSize, kExtension, kSizeEnd, kData, kDataCr, kDataLf, kTrailer, kTrailerEnd };

  size_t Append(std::string_view bytes, uint64_t want);
  size_t FeedChunked(std::string_view bytes);
  State ByteOfChunked(char c);
  State ByteOfSize(char c);
  State ByteOfTrailer(char c);
  State EndOfSize();
  bool Overhead() { return ++overhead_ <= kMaxOverheadBytes; }

  const BodyFraming framing_;
  const size_t max_bytes_;
  State state_ = State::kReading;
  std::string body_;
  uint64_t left_ = 0;  // of the length, or of this chunk
  Part part_ = Part::kSize;
  int digits_ = 0;          // of this chunk's size
  bool line_empty_ = true;  // of the trailers
  size_t overhead_ = 0;
};

}  // namespace sandgate::http
