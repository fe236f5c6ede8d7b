// The words of libs/tunnel that this folder speaks.
#pragma once

#include "libs/tunnel/buffer_pool.h"
#include "libs/tunnel/interrupt.h"
#include "libs/tunnel/plain_leg.h"
#include "libs/tunnel/tls_leg.h"

namespace sandgate::egress {

namespace net = tunnel::net;
using tunnel::BufferPool;
using tunnel::error_code;
using tunnel::Interrupt;
using tunnel::PlainLeg;
using tunnel::Tcp;
using tunnel::TlsLeg;

}  // namespace sandgate::egress
