#include "libs/tunnel/plain_leg.h"

#include <sys/socket.h>

#include <cerrno>

namespace sandgate::tunnel {

PlainLeg::PlainLeg(Tcp::socket socket, Interrupt* interrupt)
    : socket_(std::move(socket)), interrupt_(interrupt) {
  error_code ignored;
  socket_.native_non_blocking(true, ignored);
}

PlainLeg::Got PlainLeg::TryRead(char* into, size_t room, size_t* bytes) {
  ssize_t got = 0;
  do {
    got = recv(socket_.native_handle(), into, room, 0);
  } while (got < 0 && errno == EINTR);
  *bytes = got > 0 ? static_cast<size_t>(got) : 0;
  if (got > 0) return Got::kBytes;
  if (got == 0) return Got::kEnd;
  return errno == EAGAIN || errno == EWOULDBLOCK ? Got::kNothingYet : Got::kError;
}

net::awaitable<bool> PlainLeg::WaitReadable() {
  const bool ready = co_await interrupt_->Wait(socket_, Tcp::socket::wait_read);
  co_return ready;
}

net::awaitable<PlainLeg::Got> PlainLeg::Read(char* into, size_t room, size_t* bytes) {
  for (;;) {
    const Got got = TryRead(into, room, bytes);
    if (got != Got::kNothingYet) co_return got;
    const bool ready = co_await WaitReadable();
    if (!ready) co_return Got::kError;
  }
}

net::awaitable<bool> PlainLeg::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) co_return false;
    const bool ready = co_await interrupt_->Wait(socket_, Tcp::socket::wait_write);
    if (!ready) co_return false;
  }
  co_return true;
}

void PlainLeg::EndWriting() {
  error_code ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

}  // namespace sandgate::tunnel
