// The connection to the far side: bytes that are somebody else's TLS. One thread.
#pragma once

#include <string_view>

#include "egress-proxy/interrupt.h"

namespace sandgate::egress {

class FarLeg {
 public:
  FarLeg(Tcp::socket socket, Interrupt* interrupt);

  enum class Got { kBytes, kNothingYet, kEnd, kError };
  Got TryRead(char* into, size_t room, size_t* bytes);
  net::awaitable<bool> WaitReadable();
  net::awaitable<bool> Write(std::string_view bytes);
  void EndWriting();

 private:
  Tcp::socket socket_;
  Interrupt* const interrupt_;
};

}  // namespace sandgate::egress
