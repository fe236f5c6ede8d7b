#include "libs/tunnel/splice.h"

namespace sandgate::tunnel {
namespace {

// A fast connection gives way to the others after so many buffers.
constexpr unsigned kBuffersPerTurn = 16;

enum class End { kClosed, kReset, kByteLimit };

net::awaitable<void> GiveWay(const net::any_io_executor& executor) {
  co_await net::post(executor, net::use_awaitable);
}

// One direction. A buffer is held only while it has bytes in it.
template <typename From, typename To>
net::awaitable<End> Pump(Splice* splice, From& from, To& to, uint64_t* count) {
  const net::any_io_executor executor = splice->tls->socket().get_executor();
  for (unsigned turn = 1;; ++turn) {
    BufferPool::Buffer buffer = splice->buffers->Take();
    size_t bytes = 0;
    const auto got = from.TryRead(buffer.get(), splice->buffers->buffer_bytes(), &bytes);
    if (got == From::Got::kBytes) {
      *count += bytes;
      splice->interrupt->Touch();
      if (splice->take && !splice->take(bytes)) co_return End::kByteLimit;
      const bool sent = co_await to.Write(std::string_view(buffer.get(), bytes));
      splice->buffers->Give(std::move(buffer));
      if (!sent) co_return End::kReset;
      if (turn % kBuffersPerTurn == 0) co_await GiveWay(executor);
      continue;
    }
    splice->buffers->Give(std::move(buffer));
    if (got == From::Got::kEnd) co_return End::kClosed;
    if (got == From::Got::kError) co_return End::kReset;
    const bool ready = co_await from.WaitReadable();
    if (!ready) co_return End::kReset;
  }
}

// The reason of an end that is not quiet. The first one stays.
void Note(Splice* splice, End end) {
  if (end == End::kByteLimit) splice->interrupt->Raise(Reason::kByteLimit);
  if (end == End::kReset) splice->interrupt->Raise(Reason::kReset);
  if (end == End::kClosed && !splice->interrupt->raised()) {
    splice->interrupt->ArmIdle(std::min(splice->idle, splice->half_closed_idle), Reason::kIdle);
  }
}

struct Other {
  explicit Other(const net::any_io_executor& executor)
      : finished(executor, net::steady_timer::time_point::max()) {}
  net::steady_timer finished;
  bool done = false;
};

net::awaitable<void> PumpFromTls(Splice* splice, Other* other) {
  const End end = co_await Pump(splice, *splice->tls, *splice->plain, &splice->from_tls);
  splice->tls_ended = end == End::kClosed;
  if (splice->tls_ended) splice->plain->EndWriting();
  Note(splice, end);
  other->done = true;
  other->finished.cancel();
}

template <typename Leg>
net::awaitable<void> Drop(Leg* leg, BufferPool* buffers, size_t limit) {
  BufferPool::Buffer buffer = buffers->Take();
  for (size_t dropped = 0; dropped < limit;) {
    size_t bytes = 0;
    const auto got = co_await leg->Read(buffer.get(), buffers->buffer_bytes(), &bytes);
    if (got != Leg::Got::kBytes) break;
    dropped += bytes;
  }
  buffers->Give(std::move(buffer));
}

}  // namespace

net::awaitable<Reason> Carry(Splice* splice) {
  const net::any_io_executor executor = splice->tls->socket().get_executor();
  splice->interrupt->ArmIdle(splice->idle, Reason::kIdle);
  Other other(executor);
  net::co_spawn(executor, PumpFromTls(splice, &other), net::detached);
  const End end = co_await Pump(splice, *splice->plain, *splice->tls, &splice->from_plain);
  if (end == End::kClosed) co_await splice->tls->EndWriting();
  Note(splice, end);
  while (!other.done) {
    // Interrupted waits return too, but the other direction must have left before we do.
    error_code ignored;
    co_await other.finished.async_wait(net::redirect_error(net::use_awaitable, ignored));
  }
  co_return splice->interrupt->raised() ? splice->interrupt->reason() : Reason::kClosed;
}

net::awaitable<void> Linger(TlsLeg* leg, BufferPool* buffers, size_t limit) {
  co_await Drop(leg, buffers, limit);
}

net::awaitable<void> Linger(PlainLeg* leg, BufferPool* buffers, size_t limit) {
  co_await Drop(leg, buffers, limit);
}

}  // namespace sandgate::tunnel
