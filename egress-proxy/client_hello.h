// The first message of the tunnelled TLS connection: where it ends, and what it says. The framing
// is ours, the reading OpenSSL's, by its client-hello callback over a memory BIO.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "libs/egress/protocol.h"

namespace sandgate::egress {

// Records with one byte of the message each would make six of one.
inline constexpr size_t kMaxHelloStreamBytes = 2 * kMaxClientHelloBytes;

// Finds the end of one handshake message in a stream of TLS records, however it is split over
// records and segments. Pure; one object for one message.
class HelloFramer {
 public:
  // `after_retry`: a change_cipher_spec record may come first (RFC 8446 appendix D.4).
  explicit HelloFramer(bool after_retry = false) : ccs_allowed_(after_retry) {}

  struct Done {
    size_t start = 0;  // of the first handshake record
    size_t end = 0;    // behind the last
  };
  // `stream` is everything received so far: it only grows from call to call. nullopt: more is
  // needed. Done: the message is complete, and nothing is behind it. A Reason: kNotTls,
  // kHelloTooLarge, kHelloMalformed, kHelloTrailing.
  std::optional<std::variant<Done, Reason>> Feed(std::string_view stream);

 private:
  std::optional<Reason> TakeRecord(std::string_view payload);

  bool ccs_allowed_;
  size_t start_ = 0;
  size_t next_record_ = 0;  // where it starts in the stream
  std::string header_;      // of the handshake message, up to 4 bytes
  size_t got_ = 0;          // of the message, its header included
  size_t want_ = 0;         // 0 until the header is complete
};

// The single name in the ClientHello that `records` hold (HelloFramer's bytes from start to end),
// in lower case and as it was sent otherwise; or why it is refused: kHelloMalformed, kSniMissing,
// kSniAmbiguous, kEncryptedHello, kEarlyData. Thread-safe.
std::variant<std::string, Reason> ReadClientHello(std::string_view records);

// What the server's first bytes say about the ClientHello that follows.
enum class ServerAnswer {
  kUnknown,  // more bytes are needed
  kHello,    // no second ClientHello comes
  kRetry,    // HelloRetryRequest: one does, and it must be read as the first was
  kUnclear,  // a first record too short to tell: no server does that
};
ServerAnswer JudgeServerAnswer(std::string_view stream);

}  // namespace sandgate::egress
