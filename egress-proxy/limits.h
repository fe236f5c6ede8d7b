// What one proxy holds and how long it waits. The limits of what is spoken are protocol.h's.
#pragma once

#include <chrono>
#include <cstddef>

namespace sandgate::egress {

struct ProxyLimits {
  size_t max_connections = 10'000;     // in all; each takes two descriptors
  size_t max_run_connections = 1'024;  // of one run
  size_t max_arrivals = 256;           // of one address, before their grants
  std::chrono::seconds idle{300};      // no byte either way
  std::chrono::seconds lifetime{3600};
};

inline constexpr std::chrono::milliseconds kResolveTimeout{5'000};
inline constexpr size_t kMaxAddresses = 32;  // of one name; more are refused, not cut
inline constexpr std::chrono::milliseconds kDialTimeout{10'000};
inline constexpr size_t kMaxDials = 8;                         // addresses tried for one connection
inline constexpr std::chrono::milliseconds kDialStagger{250};  // RFC 8305 section 5
inline constexpr std::chrono::milliseconds kServerHelloTimeout{30'000};
inline constexpr std::chrono::seconds kHalfClosedIdle{60};  // one side has said all
inline constexpr std::chrono::milliseconds kRefusalTimeout{2'000};
inline constexpr size_t kMaxLingerBytes = 64 * 1024;  // read and dropped after a refusal
inline constexpr size_t kSpliceBytes = 64 * 1024;
inline constexpr size_t kKeptBuffers = 32;  // of each thread

}  // namespace sandgate::egress
