#include "libs/http/channel.h"

namespace sandgate::http {
namespace {

constexpr auto kNever = net::steady_timer::time_point::max();

class PlainStream : public Stream {
 public:
  explicit PlainStream(Tcp::socket socket) : socket_(std::move(socket)) {}

  Tcp::socket& socket() override { return socket_; }
  SSL* tls() override { return nullptr; }
  net::awaitable<error_code> Handshake() override { co_return error_code(); }

  net::awaitable<size_t> ReadSome(net::mutable_buffer into, error_code& ec) override {
    const size_t got =
        co_await socket_.async_read_some(into, net::redirect_error(net::use_awaitable, ec));
    co_return got;
  }

  net::awaitable<error_code> WriteAll(net::const_buffer bytes) override {
    error_code ec;
    co_await net::async_write(socket_, bytes, net::redirect_error(net::use_awaitable, ec));
    co_return ec;
  }

  net::awaitable<void> SayGoodbye() override { co_return; }

 private:
  Tcp::socket socket_;
};

class TlsStream : public Stream {
 public:
  TlsStream(Tcp::socket socket, std::shared_ptr<TlsContext> context, Channel::Role role)
      : context_(std::move(context)), stream_(std::move(socket), *context_), role_(role) {}

  Tcp::socket& socket() override { return stream_.next_layer(); }
  SSL* tls() override { return stream_.native_handle(); }

  net::awaitable<error_code> Handshake() override {
    error_code ec;
    const auto side = role_ == Channel::Role::kServer ? net::ssl::stream_base::server
                                                      : net::ssl::stream_base::client;
    co_await stream_.async_handshake(side, net::redirect_error(net::use_awaitable, ec));
    co_return ec;
  }

  net::awaitable<size_t> ReadSome(net::mutable_buffer into, error_code& ec) override {
    const size_t got =
        co_await stream_.async_read_some(into, net::redirect_error(net::use_awaitable, ec));
    co_return got;
  }

  net::awaitable<error_code> WriteAll(net::const_buffer bytes) override {
    error_code ec;
    co_await net::async_write(stream_, bytes, net::redirect_error(net::use_awaitable, ec));
    co_return ec;
  }

  net::awaitable<void> SayGoodbye() override {
    error_code ec;  // whatever it is, the connection ends
    co_await stream_.async_shutdown(net::redirect_error(net::use_awaitable, ec));
  }

 private:
  const std::shared_ptr<TlsContext> context_;  // outlives the stream made from it
  net::ssl::stream<Tcp::socket> stream_;
  const Channel::Role role_;
};

std::unique_ptr<Stream> MakeStream(Tcp::socket socket, std::shared_ptr<TlsContext> context,
                                   Channel::Role role) {
  if (!context) return std::make_unique<PlainStream>(std::move(socket));
  return std::make_unique<TlsStream>(std::move(socket), std::move(context), role);
}

}  // namespace

Channel::Channel(Tcp::socket socket, std::shared_ptr<TlsContext> context, Role role)
    : stream_(MakeStream(std::move(socket), std::move(context), role)),
      event_(executor(), kNever),
      space_(executor(), kNever),
      deadline_(executor(), kNever) {}

net::awaitable<error_code> Channel::Handshake() {
  const error_code ec = co_await stream_->Handshake();
  handshaken_ = !ec;
  co_return ec;
}

void Channel::StartReading(size_t capacity) {
  capacity_ = capacity;
  reading_ = true;
  net::co_spawn(executor(), ReadLoop(shared_from_this()), net::detached);
}

net::awaitable<void> Channel::ReadLoop(std::shared_ptr<Channel> self) {
  error_code ec;
  while (!self->closed_) {
    if (!self->lingering_ && self->data().size() >= self->capacity_) {
      error_code cancelled;
      co_await self->space_.async_wait(net::redirect_error(net::use_awaitable, cancelled));
      continue;
    }
    const size_t got = co_await self->stream_->ReadSome(net::buffer(self->chunk_), ec);
    if (ec) break;
    self->Append(got);
    if (self->dropped_ > kMaxLingerBytes) break;
  }
  self->End(ec ? ec : net::error::operation_aborted);
}

void Channel::Append(size_t bytes) {
  received_ += bytes;
  if (lingering_) {
    dropped_ += bytes;
    return;
  }
  buffer_.erase(0, consumed_);
  consumed_ = 0;
  buffer_.append(chunk_.data(), bytes);
  Notify();
}

void Channel::End(error_code why) {
  reading_ = false;
  at_end_ = true;
  end_ = why;
  Notify();
}

void Channel::Consume(size_t bytes) {
  consumed_ += bytes;
  if (consumed_ == buffer_.size()) {
    buffer_.clear();
    consumed_ = 0;
  }
  if (bytes > 0) space_.cancel();
}

net::awaitable<void> Channel::WaitEvent() {
  if (!signalled_) {
    error_code cancelled;
    co_await event_.async_wait(net::redirect_error(net::use_awaitable, cancelled));
  }
  signalled_ = false;
}

void Channel::Notify() {
  signalled_ = true;
  event_.cancel();
}

void Channel::PostNotify() {
  net::post(executor(), [self = shared_from_this()] { self->Notify(); });
}

net::awaitable<error_code> Channel::Write(std::string_view bytes) {
  const error_code ec = co_await stream_->WriteAll(net::buffer(bytes.data(), bytes.size()));
  co_return ec;
}

void Channel::SetDeadline(std::chrono::milliseconds after) {
  const uint64_t number = ++deadline_number_;
  deadline_.expires_after(after);
  deadline_.async_wait([self = shared_from_this(), number](error_code ec) {
    if (ec || number != self->deadline_number_) return;
    self->timed_out_ = true;
    self->Close();
  });
}

void Channel::ClearDeadline() {
  ++deadline_number_;
  deadline_.cancel();
}

net::awaitable<void> Channel::Linger(std::chrono::milliseconds wait) {
  if (!closed_) {
    SetDeadline(wait);
    lingering_ = true;
    space_.cancel();
    if (handshaken_) co_await stream_->SayGoodbye();
    error_code ec;
    socket().shutdown(Tcp::socket::shutdown_send, ec);
    while (reading_ && !closed_) co_await WaitEvent();
    while (!at_end_ && !ec && !closed_ && dropped_ <= kMaxLingerBytes) {  // no reader: no handshake
      dropped_ += co_await socket().async_read_some(net::buffer(chunk_),
                                                    net::redirect_error(net::use_awaitable, ec));
    }
  }
  Close();
}

void Channel::Close() {
  closed_ = true;
  error_code ignored;
  socket().close(ignored);
  ClearDeadline();
  space_.cancel();
  Notify();
}

void Channel::PostClose() {
  net::post(executor(), [self = shared_from_this()] { self->Close(); });
}

}  // namespace sandgate::http
