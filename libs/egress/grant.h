// A grant: the operator's word, signed, that one run in one sandbox may reach some domains for some
// time. It is the only state of egress, and it travels with the connection.
//
//   token   = "sgeg1." key-id "." base64url(payload) "." base64url(signature)
//   key-id  = the first 16 hex digits of the SHA-256 of the public key's 32 bytes
//   payload = JSON {"aud","sbx","run","ns","exe","dom":[...],"nbf","exp","max"}, times in Unix
//   seconds signature = Ed25519 (RFC 8032) over everything before the last dot
//
// "sgeg1" settles version and algorithm: a token cannot choose how it is checked. Nothing of the
// payload is read before the signature holds.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/egress/protocol.h"

namespace sandgate::egress {

inline constexpr char kGrantAudience[] = "sandgate-egress";
inline constexpr size_t kMaxGrantBytes = 8 * 1024;
inline constexpr size_t kMaxGrantDomains = 64;
// How far the clocks of operator and proxy may be apart, either way.
inline constexpr std::chrono::seconds kGrantClockSkew{5};
// A grant that lives longer is no run's: a run has at most 600 s unless configured otherwise.
inline constexpr std::chrono::seconds kMaxGrantLifetime = std::chrono::hours(24);
inline constexpr size_t kMaxGrantKeys = 8;

struct Grant {
  std::string audience = kGrantAudience;
  std::string sandbox_uid;           // must equal the client certificate's
  std::string run_id;                // limits count for each run
  std::string name_space;            // for the audit line
  std::string execution;             // for the audit line
  std::vector<std::string> domains;  // patterns of domain.h, at least one
  base::Time not_before;             // whole seconds
  base::Time expires;                // the run's deadline
  uint64_t max_bytes = 0;            // of the run, both ways together, through one proxy

  bool operator==(const Grant&) const = default;
};

// An Ed25519 key pair as PEM (PKCS#8 and SubjectPublicKeyInfo). `private_pem` is a secret.
struct GrantKey {
  std::string private_pem;
  std::string public_pem;
};

base::Result<GrantKey> CreateGrantKey();
// The key ID of a public or private key in PEM; kInvalidArgument if it is no Ed25519 key.
base::Result<std::string> GrantKeyId(const std::string& pem);
// The public half of a private key, as PEM; kInvalidArgument if it is no Ed25519 private key.
base::Result<std::string> PublicGrantKey(const std::string& private_pem);

// kInvalidArgument when the key is not Ed25519, a member is malformed, or the token would be larger
// than kMaxGrantBytes.
base::Result<std::string> SignGrant(const Grant& grant, const std::string& private_pem);

// Checks tokens with a few public keys: while keys rotate, old and new both count. Immutable and
// thread-safe.
class GrantVerifier {
 public:
  // Trusts nobody: every token is refused as kGrantForged.
  GrantVerifier();
  // kInvalidArgument when one is no Ed25519 public key, or there are more than kMaxGrantKeys.
  static base::Result<GrantVerifier> Create(const std::vector<std::string>& public_pems);

  // The grant, or why it counts for nothing: kGrantMalformed, kGrantForged, kGrantAudience,
  // kGrantNotYet, kGrantExpired. Whose sandbox it is for is the caller's to compare.
  std::variant<Grant, Reason> Verify(std::string_view token, base::Time now) const;

  size_t size() const;

 private:
  class Keys;
  std::shared_ptr<const Keys> keys_;
};

}  // namespace sandgate::egress
