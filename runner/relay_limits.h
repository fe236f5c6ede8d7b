// What the relay of one run holds and how long it waits. The limits of what is spoken are
// libs/egress/protocol.h's.
#pragma once

#include <chrono>
#include <cstddef>

namespace sandgate::runner {

// As many as the egress proxy lets one run have; fewer where the runner may open fewer descriptors.
inline constexpr size_t kMaxRelayConnections = 1024;
// Beyond these, connections that are being told that they are too many; more are closed at once.
inline constexpr size_t kMaxRelayRefusals = 64;
// Descriptors that the relay leaves to the rest of the runner.
inline constexpr size_t kDescriptorsKept = 256;

// Connections to the proxy that have shown no grant yet: it counts those of one address (256).
inline constexpr size_t kMaxRelayDials = 64;
inline constexpr std::chrono::seconds kDialTurnTimeout{30};  // until it is one of these
inline constexpr std::chrono::seconds kDialTimeout{5};
inline constexpr std::chrono::seconds kAnswerTimeout{
    10};  // to BySniRequest, which asks for nothing

// The run's deadline and the proxy end what is idle; this is for a proxy that is gone without a
// word.
inline constexpr std::chrono::seconds kRelayIdle{3600};
inline constexpr std::chrono::seconds kRelayHalfClosedIdle{60};

inline constexpr std::chrono::milliseconds kRelayRefusalTimeout{2'000};
inline constexpr size_t kRelayLingerBytes = 64 * 1024;  // read and dropped after a refusal

// Of each socket, each way. Both ends are near, so more would carry no more; and under gVisor a
// socket whose reader rests grows to megabytes of kernel memory, which count as the run's.
inline constexpr int kRelaySocketBytes = 64 * 1024;
// A direction holds one while it has bytes in hand.
inline constexpr size_t kRelayBufferBytes = 32 * 1024;
inline constexpr size_t kRelayKeptBuffers = 8;

}  // namespace sandgate::runner
