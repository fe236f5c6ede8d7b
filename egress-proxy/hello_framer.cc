#include <algorithm>
#include <array>

#include "egress-proxy/client_hello.h"

namespace sandgate::egress {
namespace {

// RFC 8446 sections 4 and 5.1.
constexpr size_t kRecordHeader = 5;
constexpr size_t kMaxRecord = 16 * 1024;
constexpr size_t kMessageHeader = 4;
constexpr uint8_t kChangeCipherSpec = 20;
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kMajorVersion = 3;
constexpr uint8_t kClientHello = 1;
constexpr uint8_t kServerHello = 2;
constexpr size_t kRandomAt = kMessageHeader + 2;  // behind legacy_version
// SHA-256 of "HelloRetryRequest" (section 4.1.3).
constexpr std::array<uint8_t, 32> kRetryRandom = {
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};

uint8_t At(std::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

size_t RecordSize(std::string_view record) {
  return static_cast<size_t>(At(record, 3)) << 8 | At(record, 4);
}

}  // namespace

std::optional<Reason> HelloFramer::TakeRecord(std::string_view payload) {
  const size_t missing = kMessageHeader - header_.size();
  header_ += payload.substr(0, missing);
  got_ += payload.size();
  if (At(header_, 0) != kClientHello) return Reason::kHelloMalformed;
  if (header_.size() < kMessageHeader) return std::nullopt;
  want_ = kMessageHeader + (static_cast<size_t>(At(header_, 1)) << 16 |
                            static_cast<size_t>(At(header_, 2)) << 8 | At(header_, 3));
  if (want_ > kMaxClientHelloBytes) return Reason::kHelloTooLarge;
  if (got_ > want_) return Reason::kHelloTrailing;
  return std::nullopt;
}

std::optional<std::variant<HelloFramer::Done, Reason>> HelloFramer::Feed(std::string_view stream) {
  const auto refused = [](Reason reason) { return std::variant<Done, Reason>(reason); };
  while (stream.size() > next_record_) {
    const std::string_view record = stream.substr(next_record_);
    const bool ccs = At(record, 0) == kChangeCipherSpec && ccs_allowed_;
    if (At(record, 0) != kHandshake && !ccs) return refused(Reason::kNotTls);
    if (record.size() < kRecordHeader) break;
    const size_t size = RecordSize(record);
    if (At(record, 1) != kMajorVersion) return refused(Reason::kNotTls);
    if (size == 0 || size > kMaxRecord || (ccs && size != 1)) {
      return refused(Reason::kHelloMalformed);
    }
    if (record.size() < kRecordHeader + size) break;
    next_record_ += kRecordHeader + size;
    ccs_allowed_ = false;
    if (ccs) {
      start_ = next_record_;
      continue;
    }
    const std::optional<Reason> problem = TakeRecord(record.substr(kRecordHeader, size));
    if (problem) return refused(*problem);
    if (got_ == want_) {
      if (stream.size() > next_record_) return refused(Reason::kHelloTrailing);
      return std::variant<Done, Reason>(Done{start_, next_record_});
    }
  }
  if (stream.size() >= kMaxHelloStreamBytes) return refused(Reason::kHelloTooLarge);
  return std::nullopt;
}

ServerAnswer JudgeServerAnswer(std::string_view stream) {
  if (stream.empty()) return ServerAnswer::kUnknown;
  // An alert, or no TLS at all: there will be no handshake.
  if (At(stream, 0) != kHandshake) return ServerAnswer::kHello;
  if (stream.size() < kRecordHeader) return ServerAnswer::kUnknown;
  const size_t size = RecordSize(stream);
  if (size < kRandomAt + kRetryRandom.size()) return ServerAnswer::kUnclear;
  if (stream.size() < kRecordHeader + kRandomAt + kRetryRandom.size()) {
    return ServerAnswer::kUnknown;
  }
  const std::string_view message = stream.substr(kRecordHeader);
  if (At(message, 0) != kServerHello) return ServerAnswer::kHello;
  const bool retry = std::equal(kRetryRandom.begin(), kRetryRandom.end(),
                                reinterpret_cast<const uint8_t*>(message.data()) + kRandomAt);
  return retry ? ServerAnswer::kRetry : ServerAnswer::kHello;
}

}  // namespace sandgate::egress
