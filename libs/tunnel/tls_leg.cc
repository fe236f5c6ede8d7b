#include "libs/tunnel/tls_leg.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace sandgate::tunnel {

void TlsLeg::Free::operator()(SSL* tls) const {
  SSL_free(tls);
}

TlsLeg::TlsLeg(Tcp::socket socket, std::shared_ptr<http::TlsContext> context, Role role,
               Interrupt* interrupt)
    : socket_(std::move(socket)),
      context_(std::move(context)),
      interrupt_(interrupt),
      tls_(SSL_new(context_->native_handle())),
      read_wants_(SSL_ERROR_WANT_READ) {
  error_code ignored;
  socket_.native_non_blocking(true, ignored);
  if (!tls_ || SSL_set_fd(tls_.get(), socket_.native_handle()) != 1) {
    tls_.reset();
    return;
  }
  if (role == Role::kServer) {
    SSL_set_accept_state(tls_.get());
  } else {
    SSL_set_connect_state(tls_.get());
  }
  SSL_set_mode(tls_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

TlsLeg::~TlsLeg() = default;

net::awaitable<bool> TlsLeg::WaitFor(int ssl_error) {
  if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE) co_return false;
  const bool ready = co_await interrupt_->Wait(
      socket_, ssl_error == SSL_ERROR_WANT_READ ? Tcp::socket::wait_read : Tcp::socket::wait_write);
  co_return ready;
}

net::awaitable<bool> TlsLeg::Handshake() {
  if (!tls_) co_return false;
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(tls_.get());
    if (done == 1) co_return true;
    const bool again = co_await WaitFor(SSL_get_error(tls_.get(), done));
    if (!again) co_return false;
  }
}

TlsLeg::Got TlsLeg::TryRead(char* into, size_t room, size_t* bytes) {
  *bytes = 0;
  while (*bytes < room) {
    ERR_clear_error();
    size_t got = 0;
    const int done = SSL_read_ex(tls_.get(), into + *bytes, room - *bytes, &got);
    *bytes += got;
    if (done == 1) continue;
    if (*bytes > 0) return Got::kBytes;  // what ended it will show again
    read_wants_ = SSL_get_error(tls_.get(), done);
    if (read_wants_ == SSL_ERROR_WANT_READ || read_wants_ == SSL_ERROR_WANT_WRITE) {
      return Got::kNothingYet;
    }
    return read_wants_ == SSL_ERROR_ZERO_RETURN ? Got::kEnd : Got::kError;
  }
  return Got::kBytes;
}

net::awaitable<bool> TlsLeg::WaitReadable() {
  const bool ready = co_await WaitFor(read_wants_);
  co_return ready;
}

net::awaitable<TlsLeg::Got> TlsLeg::Read(char* into, size_t room, size_t* bytes) {
  for (;;) {
    const Got got = TryRead(into, room, bytes);
    if (got != Got::kNothingYet) co_return got;
    const bool ready = co_await WaitReadable();
    if (!ready) co_return Got::kError;
  }
}

net::awaitable<bool> TlsLeg::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    ERR_clear_error();
    size_t written = 0;
    const int done = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &written);
    bytes.remove_prefix(written);
    if (done == 1) continue;
    const bool again = co_await WaitFor(SSL_get_error(tls_.get(), done));
    if (!again) co_return false;
  }
  co_return true;
}

net::awaitable<void> TlsLeg::EndWriting() {
  for (;;) {
    ERR_clear_error();
    const int done = SSL_shutdown(tls_.get());
    if (done >= 0) co_return;  // 0: said, and the other side has not yet
    const bool again = co_await WaitFor(SSL_get_error(tls_.get(), done));
    if (!again) co_return;
  }
}

}  // namespace sandgate::tunnel
