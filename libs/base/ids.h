// Random identifiers and digests.
#pragma once

#include <string>
#include <string_view>

namespace sandgate::base {

// `bytes` random bytes of the kernel, as lower-case hex (so twice as many characters).
// Aborts if the kernel gives none: nothing in this system may go on with a guessable name.
std::string RandomHex(size_t bytes);

// A random (version 4) UUID of RFC 9562 in its usual spelling.
std::string RandomUuid();

// Lower-case hex of the SHA-256 (FIPS 180-4) of `data`.
std::string Sha256Hex(std::string_view data);

// Lower-case hex of the HMAC-SHA256 (RFC 2104) of `data`. `key` is a secret: never log it.
std::string HmacSha256Hex(std::string_view key, std::string_view data);

}  // namespace sandgate::base
