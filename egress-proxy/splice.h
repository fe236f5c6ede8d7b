// Carries the bytes of an open tunnel, both ways at once, until both sides have said all they had
// to say or something ends it.
#pragma once

#include "egress-proxy/buffer_pool.h"
#include "egress-proxy/far_leg.h"
#include "egress-proxy/interrupt.h"
#include "egress-proxy/run_table.h"
#include "egress-proxy/tls_leg.h"

namespace sandgate::egress {

struct Splice {
  TlsLeg* near;
  FarLeg* far;
  Interrupt* interrupt;  // armed for idleness by Carry
  RunCount* run;
  BufferPool* buffers;
  std::chrono::milliseconds idle;
  uint64_t bytes_up = 0;  // counted on; what is already moved stays
  uint64_t bytes_down = 0;
};

// Why it ended: kClosed, kReset, kByteLimit, or the interrupt's reason. No allocation for a
// buffer's worth of bytes; what the references point to must live until it returns.
net::awaitable<Reason> Carry(Splice* splice);

}  // namespace sandgate::egress
