// Carries the bytes of an open tunnel, both ways at once, until both sides have said all they had
// to say or something ends it.
#pragma once

#include <functional>

#include "libs/tunnel/buffer_pool.h"
#include "libs/tunnel/interrupt.h"
#include "libs/tunnel/plain_leg.h"
#include "libs/tunnel/tls_leg.h"

namespace sandgate::tunnel {

struct Splice {
  TlsLeg* tls;
  PlainLeg* plain;
  Interrupt* interrupt;  // armed for idleness by Carry
  BufferPool* buffers;
  std::chrono::milliseconds idle;
  std::chrono::milliseconds half_closed_idle;  // once one side has said all
  // Asked before bytes are passed on; false ends the tunnel with kByteLimit. May be empty.
  std::function<bool(size_t bytes)> take;
  uint64_t from_tls = 0;  // bytes, counted on; what is already moved stays
  uint64_t from_plain = 0;
  bool tls_ended = false;  // by close_notify, and all before it was passed on
};

// Why it ended: kClosed, kReset, kByteLimit, or the interrupt's reason. No allocation for a
// buffer's worth of bytes; what the references point to must live until it returns.
net::awaitable<Reason> Carry(Splice* splice);

// Reads and drops what the peer still sends, until its end, `limit` bytes, or the interrupt. A
// close with unread bytes would reset the connection, and what was written last would be lost on
// its way.
net::awaitable<void> Linger(TlsLeg* leg, BufferPool* buffers, size_t limit);
net::awaitable<void> Linger(PlainLeg* leg, BufferPool* buffers, size_t limit);

}  // namespace sandgate::tunnel
