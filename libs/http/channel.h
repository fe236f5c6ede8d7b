// One TCP or TLS connection, as servers and clients of this folder use it: a reader that always
// runs (so that a peer that leaves is noticed while nothing is expected of it), one bounded
// buffer, one deadline, one waiter.
//
// Everything runs on the connection's own strand; only PostNotify and PostClose are thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libs/http/asio.h"
#include "libs/http/message.h"

namespace sandgate::http {

// Bytes or an end; TLS or not.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Tcp::socket& socket() = 0;
  virtual SSL* tls() = 0;  // nullptr on plain connections
  virtual net::awaitable<error_code> Handshake() = 0;
  virtual net::awaitable<size_t> ReadSome(net::mutable_buffer into, error_code& ec) = 0;
  virtual net::awaitable<error_code> WriteAll(net::const_buffer bytes) = 0;
  virtual net::awaitable<void> SayGoodbye() = 0;  // close_notify
};

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  enum class Role { kServer, kClient };

  // `context` nullptr: plain TCP. The socket's executor must be a strand.
  Channel(Tcp::socket socket, std::shared_ptr<TlsContext> context, Role role);

  Tcp::socket& socket() { return stream_->socket(); }
  SSL* tls() { return stream_->tls(); }
  net::any_io_executor executor() { return stream_->socket().get_executor(); }

  net::awaitable<error_code> Handshake();

  // Starts the reader: at most `capacity` bytes (and one read more) wait in the buffer; beyond
  // that the peer feels TCP's own back-pressure.
  void StartReading(size_t capacity);
  std::string_view data() const { return std::string_view(buffer_).substr(consumed_); }
  void Consume(size_t bytes);
  bool at_end() const { return at_end_; }        // nothing will come any more
  error_code end() const { return end_; }        // why: eof, a TLS alert, reset, closed by us
  size_t received() const { return received_; }  // bytes since the connection began

  // Returns when something happened since the last call: bytes, the end, Notify. One waiter.
  net::awaitable<void> WaitEvent();
  void Notify();
  void PostNotify();

  // Everything, or the error. The caller keeps the bytes alive.
  net::awaitable<error_code> Write(std::string_view bytes);

  // Closes the connection unless ClearDeadline or another SetDeadline comes first.
  void SetDeadline(std::chrono::milliseconds after);
  void ClearDeadline();
  bool timed_out() const { return timed_out_; }

  // Says goodbye, then reads and drops what the peer still sends, up to `wait`, and closes: a close
  // with unread bytes would reset the connection and lose the answer on its way.
  net::awaitable<void> Linger(std::chrono::milliseconds wait);

  void Close();
  void PostClose();
  bool closed() const { return closed_; }

 private:
  static net::awaitable<void> ReadLoop(std::shared_ptr<Channel> self);
  void Append(size_t bytes);
  void End(error_code why);

  static constexpr size_t kReadBytes = 8 * 1024;
  static constexpr size_t kMaxLingerBytes = 1024 * 1024;

  std::unique_ptr<Stream> stream_;
  net::steady_timer event_;  // never expires: cancelled by Notify
  net::steady_timer space_;  // never expires: cancelled when the buffer has room
  net::steady_timer deadline_;
  uint64_t deadline_number_ = 0;  // a timer that fired before it was replaced is recognised
  std::array<char, kReadBytes> chunk_;
  std::string buffer_;
  size_t consumed_ = 0;  // of buffer_
  size_t capacity_ = 0;
  size_t received_ = 0;
  size_t dropped_ = 0;  // while lingering
  error_code end_;
  bool handshaken_ = false;
  bool reading_ = false;
  bool at_end_ = false;
  bool signalled_ = false;
  bool lingering_ = false;
  bool timed_out_ = false;
  bool closed_ = false;
};

}  // namespace sandgate::http
