#include "egress-proxy/splice.h"

namespace sandgate::egress {
namespace {

enum class End { kClosed, kReset, kByteLimit };

net::awaitable<bool> Send(FarLeg& to, std::string_view bytes) {
  const bool sent = co_await to.Write(bytes);
  co_return sent;
}

net::awaitable<bool> Send(TlsLeg& to, std::string_view bytes) {
  const bool sent = co_await to.Write(bytes);
  co_return sent;
}

net::awaitable<void> GiveWay(const net::any_io_executor& executor) {
  co_await net::post(executor, net::use_awaitable);
}

// One direction. A buffer is held only while it has bytes in it.
template <typename From, typename To>
net::awaitable<End> Pump(Splice* splice, From& from, To& to, uint64_t* count) {
  const net::any_io_executor executor = splice->near->socket().get_executor();
  for (unsigned turn = 1;; ++turn) {
    BufferPool::Buffer buffer = splice->buffers->Take();
    size_t bytes = 0;
    const auto got = from.TryRead(buffer.get(), kSpliceBytes, &bytes);
    if (got == From::Got::kBytes) {
      *count += bytes;
      splice->interrupt->Touch();
      if (!splice->run->Take(bytes)) co_return End::kByteLimit;
      const bool sent = co_await Send(to, std::string_view(buffer.get(), bytes));
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
    splice->interrupt->ArmIdle(std::min<std::chrono::milliseconds>(splice->idle, kHalfClosedIdle),
                               Reason::kIdle);
  }
}

struct Upward {
  explicit Upward(const net::any_io_executor& executor)
      : finished(executor, net::steady_timer::time_point::max()) {}
  net::steady_timer finished;
  bool done = false;
};

net::awaitable<void> PumpUp(Splice* splice, Upward* upward) {
  const End end = co_await Pump(splice, *splice->near, *splice->far, &splice->bytes_up);
  if (end == End::kClosed) splice->far->EndWriting();
  Note(splice, end);
  upward->done = true;
  upward->finished.cancel();
}

}  // namespace

net::awaitable<Reason> Carry(Splice* splice) {
  const net::any_io_executor executor = splice->near->socket().get_executor();
  splice->interrupt->ArmIdle(splice->idle, Reason::kIdle);
  Upward upward(executor);
  net::co_spawn(executor, PumpUp(splice, &upward), net::detached);
  const End end = co_await Pump(splice, *splice->far, *splice->near, &splice->bytes_down);
  if (end == End::kClosed) co_await splice->near->EndWriting();
  Note(splice, end);
  while (!upward.done) {
    // Interrupted waits return too, but the other direction must have left before we do.
    error_code ignored;
    co_await upward.finished.async_wait(net::redirect_error(net::use_awaitable, ignored));
  }
  co_return splice->interrupt->raised() ? splice->interrupt->reason() : Reason::kClosed;
}

}  // namespace sandgate::egress
