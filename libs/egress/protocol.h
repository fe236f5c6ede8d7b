// What is spoken between a runner and the egress proxy, with its names and limits. One contract
// for three programs: the operator signs grants, the runner carries bytes, the proxy decides.
//
//   runner -> proxy   TLS 1.2 or 1.3, mutual. The proxy's certificate carries kEgressUri, the
//                     client's carries http::SandboxUri(uid): both from the operator's authority.
//   runner -> proxy   one request for each connection:
//                         CONNECT example.com:443 HTTP/1.1\r\n
//                         Sandgate-Grant: <token of grant.h>\r\n
//                         Host: example.com:443\r\n
//                         \r\n
//   proxy -> runner   200 and an empty line; from there on raw bytes both ways, beginning with the
//                     client's ClientHello. Or a refusal: kStatus..., a JSON body
//                     {"code", "message", "domain", "allowed"}, and the end of the connection.
//
// The runner need not understand what the code's client sends: it reads up to the first LF (at
// most kMaxRequestLineBytes), writes that line, then kGrantHeader + ": " + token + "\r\n", then
// carries bytes without looking at them, both ways. A grant header that the code sends itself makes
// two, which the proxy refuses; nothing ever sends the head of the request on.
//
// For clients that ignore proxy variables and connect to the run's own port 443, the runner writes
// BySniRequest(token) itself, swallows the head of the answer up to its empty line, and then
// carries bytes: the proxy takes the name from the ClientHello, which is held against the grant in
// the same way. A refusal is then a TLS alert in plain text, and the end.
//
// Runners set TCP_NODELAY: a request in two segments would wait for an acknowledgement that the
// proxy has no reason to hurry with. Either side ends its direction with close_notify (half-close);
// the proxy closes the connection when the grant ends.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandgate::egress {

// Where the proxy listens unless its command line says otherwise.
inline constexpr uint16_t kDefaultEgressPort = 8443;
// The only port of the far side. Plain HTTP carries no name that could be held against anything.
inline constexpr uint16_t kTunnelPort = 443;

inline constexpr char kGrantHeader[] = "Sandgate-Grant";
// The target that stands for "the name in the ClientHello". `.invalid` never resolves (RFC 2606).
inline constexpr char kBySniName[] = "by-sni.invalid";

inline constexpr size_t kMaxRequestLineBytes = 1024;
// Request line and headers together, the grant among them.
inline constexpr size_t kMaxHeadBytes = 16 * 1024;
inline constexpr size_t kMaxRequestHeaders = 32;
// The handshake message with its header; a client with many key shares needs 2 KiB.
inline constexpr size_t kMaxClientHelloBytes = 16 * 1024;

inline constexpr std::chrono::seconds kHandshakeTimeout{10};
inline constexpr std::chrono::seconds kHeadTimeout{10};
inline constexpr std::chrono::seconds kClientHelloTimeout{5};

// Why a connection was refused or ended. One word each, in the JSON's `code`, in the audit line's
// `reason` and as the metric's label; the words never change their meaning.
enum class Reason {
  // Ends of a connection that was carried.
  kClosed,      // both sides said all they had to say
  kReset,       // one of them broke off
  kByteLimit,   // the run's bytes are used up (also 429)
  kIdle,        // no byte either way for too long
  kLifetime,    // open for too long
  kGrantEnded,  // the grant expired while the connection was open
  kShutdown,    // the proxy stops
  // Before anybody is known: no answer but the end.
  kTlsHandshake,  // no TLS, no or a foreign certificate, or too slow
  kNotASandbox,   // a certificate of our authority that names no sandbox (403)
  // The request.
  kMalformed,  // not a request that could be read in one way only (400)
  kTooLarge,   // head above kMaxHeadBytes (431)
  kTooSlow,    // the head did not arrive in time (408)
  kBody,       // Content-Length, Transfer-Encoding, Upgrade or Expect (400)
  kPipelined,  // bytes after the head before the answer (400)
  kPlainHttp,  // anything but CONNECT: no name that could be checked (403)
  kPort,       // another port than 443 (403)
  // The grant (403).
  kGrantMissing,
  kGrantMalformed,
  kGrantForged,  // an unknown key or a wrong signature
  kGrantAudience,
  kGrantNotYet,
  kGrantExpired,
  kGrantSandbox,  // another sandbox's
  // The name.
  kAddressLiteral,  // an address in any notation (403)
  kBadName,         // no DNS name of LDH labels (400)
  kNameNotAllowed,  // not in the grant (403)
  // Finding and reaching it.
  kNameNotFound,       // DNS knows no such name or no address (502)
  kResolver,           // DNS failed (502)
  kResolverTimeout,    // (504)
  kTooManyAddresses,   // (502)
  kAddressNotAllowed,  // one of its addresses is not public (403)
  kConnectFailed,      // (502)
  kConnectTimeout,     // (504)
  // Limits (429).
  kRunConnections,
  kProxyConnections,   // (503)
  kClientConnections,  // too many from one address without a grant yet (503)
  // The ClientHello: answered by a TLS alert.
  kNotTls,
  kHelloTooLarge,
  kHelloTooSlow,
  kHelloMalformed,
  kHelloTrailing,  // bytes behind the ClientHello that no client sends there
  kSniMissing,
  kSniOther,        // another name than the one of the request
  kSniAmbiguous,    // more than one name
  kEncryptedHello,  // ECH or ESNI, GREASE too: the true name cannot be seen
  kEarlyData,       // 0-RTT: data before the name is settled
  kSecondHello,     // the ClientHello after a HelloRetryRequest differs in any of this
  // Said by the runner, which had nobody to ask (502).
  kProxyUnreachable,  // no connection to the egress proxy, or it ended before an answer
  kProxyUntrusted,    // who answers there has no certificate of the egress proxy
  kInternal,          // out of descriptors or memory (503)
};

// "NameNotAllowed"; see the list above without its k.
const char* ReasonName(Reason reason);
// All of them, for metrics and tests.
const std::vector<Reason>& AllReasons();
// The HTTP status of a refusal before the 200; 0 for those that are no answer to a request.
unsigned ReasonStatus(Reason reason);
// One sentence for the agent that says what to do about it.
const char* ReasonAdvice(Reason reason);

// The body of a refusal before the 200. `domain` and `allowed` may be empty: `allowed` is what the
// grant names and is sent only to who holds a valid one.
std::string RefusalJson(Reason reason, std::string_view domain,
                        const std::vector<std::string>& allowed);

// The whole answer, with that body. The reason's word stands in the status line as well: many
// clients show that line and nothing else.
std::string RefusalAnswer(Reason reason, std::string_view domain,
                          const std::vector<std::string>& allowed);
// A refusal where a ServerHello is expected: a fatal TLS alert in plain text.
std::string RefusalAlert(Reason reason);

// The whole request for a client that was caught on port 443.
std::string BySniRequest(std::string_view token);

}  // namespace sandgate::egress
