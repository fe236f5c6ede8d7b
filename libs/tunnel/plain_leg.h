// A plain connection: bytes that are, or should be, somebody else's TLS. One thread.
#pragma once

#include <string_view>

#include "libs/tunnel/interrupt.h"

namespace sandgate::tunnel {

class PlainLeg {
 public:
  PlainLeg(Tcp::socket socket, Interrupt* interrupt);

  enum class Got { kBytes, kNothingYet, kEnd, kError };
  // As TlsLeg's of the same names.
  Got TryRead(char* into, size_t room, size_t* bytes);
  net::awaitable<bool> WaitReadable();
  net::awaitable<Got> Read(char* into, size_t room, size_t* bytes);
  net::awaitable<bool> Write(std::string_view bytes);
  void EndWriting();

  Tcp::socket& socket() { return socket_; }

 private:
  Tcp::socket socket_;
  Interrupt* const interrupt_;
};

}  // namespace sandgate::tunnel
