#include "libs/egress/protocol.h"

#include <nlohmann/json.hpp>

namespace sandgate::egress {
namespace {

struct Row {
  Reason reason;
  const char* name;
  unsigned status;
  const char* advice;
};

constexpr char kNoAnswer[] = "The connection was closed.";
constexpr char kGrantAdvice[] = "This run has no valid permission to use the network.";
constexpr char kTlsAdvice[] = "The tunnel must begin with a plain TLS ClientHello for this name.";

// clang-format off: a table
constexpr Row kRows[] = {
    {Reason::kClosed, "Closed", 0, kNoAnswer},
    {Reason::kReset, "Reset", 0, kNoAnswer},
    {Reason::kByteLimit, "ByteLimit", 429, "This run has moved as many bytes as it may."},
    {Reason::kIdle, "Idle", 0, kNoAnswer},
    {Reason::kLifetime, "Lifetime", 0, kNoAnswer},
    {Reason::kGrantEnded, "GrantEnded", 0, kNoAnswer},
    {Reason::kShutdown, "Shutdown", 503, "The egress proxy is being replaced; try again."},
    {Reason::kTlsHandshake, "TlsHandshake", 0, kNoAnswer},
    {Reason::kNotASandbox, "NotASandbox", 403, "Only sandboxes may use this proxy."},
    {Reason::kMalformed, "Malformed", 400,
     "The request must be CONNECT name:443 HTTP/1.1 with plain headers."},
    {Reason::kTooLarge, "TooLarge", 431, "The request's headers are too large."},
    {Reason::kTooSlow, "TooSlow", 408, "The request did not arrive in time."},
    {Reason::kBody, "Body", 400, "A CONNECT request has no body and upgrades to nothing."},
    {Reason::kPipelined, "Pipelined", 400, "Wait for the answer to CONNECT before sending more."},
    {Reason::kPlainHttp, "PlainHttp", 403,
     "Plain HTTP is refused, since it proves no name: use https:// on port 443."},
    {Reason::kPort, "Port", 403, "Only port 443 is reachable: use https:// without a port."},
    {Reason::kGrantMissing, "GrantMissing", 403, kGrantAdvice},
    {Reason::kGrantMalformed, "GrantMalformed", 403, kGrantAdvice},
    {Reason::kGrantForged, "GrantForged", 403, kGrantAdvice},
    {Reason::kGrantAudience, "GrantAudience", 403, kGrantAdvice},
    {Reason::kGrantNotYet, "GrantNotYet", 403, kGrantAdvice},
    {Reason::kGrantExpired, "GrantExpired", 403,
     "This run's permission to use the network has ended."},
    {Reason::kGrantSandbox, "GrantSandbox", 403, kGrantAdvice},
    {Reason::kAddressLiteral, "AddressLiteral", 403,
     "Addresses are refused in every notation: use one of the allowed names."},
    {Reason::kBadName, "BadName", 400,
     "The host must be a DNS name of letters, digits and hyphens (IDN as A-labels)."},
    {Reason::kNameNotAllowed, "NameNotAllowed", 403,
     "This domain is not among the allowed domains of this run."},
    {Reason::kNameNotFound, "NameNotFound", 502,
     "The name does not exist in DNS or has no address."},
    {Reason::kResolver, "Resolver", 502, "The name could not be looked up; try again."},
    {Reason::kResolverTimeout, "ResolverTimeout", 504,
     "The lookup of the name took too long; try again."},
    {Reason::kTooManyAddresses, "TooManyAddresses", 502,
     "The name has more addresses than are checked."},
    {Reason::kAddressNotAllowed, "AddressNotAllowed", 403,
     "The name leads to an address that is not public; the deployment can allow it."},
    {Reason::kConnectFailed, "ConnectFailed", 502, "The server did not accept the connection."},
    {Reason::kConnectTimeout, "ConnectTimeout", 504, "The server did not answer in time."},
    {Reason::kRunConnections, "RunConnections", 429,
     "This run has as many connections open as it may; close some."},
    {Reason::kProxyConnections, "ProxyConnections", 503,
     "The egress proxy has as many connections as it can hold; try again."},
    {Reason::kClientConnections, "ClientConnections", 503,
     "Too many connections are being opened at once; wait for some to be answered."},
    {Reason::kNotTls, "NotTls", 0, kTlsAdvice},
    {Reason::kHelloTooLarge, "HelloTooLarge", 0, kTlsAdvice},
    {Reason::kHelloTooSlow, "HelloTooSlow", 0, kTlsAdvice},
    {Reason::kHelloMalformed, "HelloMalformed", 0, kTlsAdvice},
    {Reason::kHelloTrailing, "HelloTrailing", 0, kTlsAdvice},
    {Reason::kSniMissing, "SniMissing", 0, kTlsAdvice},
    {Reason::kSniOther, "SniOther", 0, kTlsAdvice},
    {Reason::kSniAmbiguous, "SniAmbiguous", 0, kTlsAdvice},
    {Reason::kEncryptedHello, "EncryptedHello", 0, kTlsAdvice},
    {Reason::kEarlyData, "EarlyData", 0, kTlsAdvice},
    {Reason::kSecondHello, "SecondHello", 0, kTlsAdvice},
    {Reason::kProxyUnreachable, "ProxyUnreachable", 502,
     "The egress proxy cannot be reached from this sandbox; try again."},
    {Reason::kProxyUntrusted, "ProxyUntrusted", 502,
     "What answers at the egress proxy's address has no certificate of the egress proxy."},
    {Reason::kInternal, "Internal", 503, "The egress proxy failed; try again."},
};
// clang-format on

// The table stands in the enumeration's order, so that a reason is its own index.
constexpr bool InOrder() {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (static_cast<size_t>(kRows[i].reason) != i) return false;
  }
  return std::size(kRows) == static_cast<size_t>(Reason::kInternal) + 1;
}
static_assert(InOrder());

// RFC 8446 section 6, RFC 6066 section 9.
enum Alert : uint8_t { kAccessDenied = 49, kInternalError = 80, kUnrecognizedName = 112 };

Alert AlertOf(Reason reason) {
  if (reason == Reason::kSniMissing || reason == Reason::kSniOther ||
      reason == Reason::kNameNotAllowed) {
    return kUnrecognizedName;
  }
  const bool ours = reason == Reason::kProxyUnreachable || reason == Reason::kProxyUntrusted;
  return ours ? kInternalError : kAccessDenied;
}

const Row& RowOf(Reason reason) {
  return kRows[static_cast<size_t>(reason)];
}

}  // namespace

const char* ReasonName(Reason reason) {
  return RowOf(reason).name;
}

const std::vector<Reason>& AllReasons() {
  static const std::vector<Reason> all = [] {
    std::vector<Reason> reasons;
    for (const Row& row : kRows) reasons.push_back(row.reason);
    return reasons;
  }();
  return all;
}

unsigned ReasonStatus(Reason reason) {
  return RowOf(reason).status;
}

const char* ReasonAdvice(Reason reason) {
  return RowOf(reason).advice;
}

std::string RefusalJson(Reason reason, std::string_view domain,
                        const std::vector<std::string>& allowed) {
  nlohmann::ordered_json body;
  body["code"] = ReasonName(reason);
  body["message"] = ReasonAdvice(reason);
  body["domain"] = domain;
  body["allowed"] = allowed;
  return body.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string RefusalAnswer(Reason reason, std::string_view domain,
                          const std::vector<std::string>& allowed) {
  const std::string body = RefusalJson(reason, domain, allowed);
  return "HTTP/1.1 " + std::to_string(ReasonStatus(reason)) + " " + ReasonName(reason) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

std::string RefusalAlert(Reason reason) {
  // Alert record of TLS 1.2, two bytes: fatal, and which.
  const uint8_t alert[] = {21, 3, 3, 0, 2, 2, AlertOf(reason)};
  return std::string(reinterpret_cast<const char*>(alert), sizeof alert);
}

std::string BySniRequest(std::string_view token) {
  const std::string target = std::string(kBySniName) + ":" + std::to_string(kTunnelPort);
  return "CONNECT " + target + " HTTP/1.1\r\n" + kGrantHeader + ": " + std::string(token) +
         "\r\nHost: " + target + "\r\n\r\n";
}

}  // namespace sandgate::egress
