#include "runner/prober.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "libs/base/clock.h"

namespace sandgate::runner {
namespace {

using api::ProbeOutcome;
using std::chrono::milliseconds;

ProbeOutcome OutcomeOf(int error) {
  switch (error) {
    case 0:
      return ProbeOutcome::kConnected;
    case ETIMEDOUT:
      return ProbeOutcome::kTimedOut;
    case ECONNREFUSED:
      return ProbeOutcome::kRefused;
    default:
      return ProbeOutcome::kUnreachable;
  }
}

// What became of a connection that is under way.
ProbeOutcome Await(const base::Fd& socket, milliseconds timeout, int stop) {
  const base::MonotonicTime deadline = base::RealClock().MonotonicNow() + timeout;
  for (;;) {
    const auto left =
        std::chrono::ceil<milliseconds>(deadline - base::RealClock().MonotonicNow()).count();
    if (left <= 0) return ProbeOutcome::kTimedOut;
    std::array<pollfd, 2> fds = {{{socket.get(), POLLOUT, 0}, {stop, POLLIN, 0}}};
    const int ready = poll(fds.data(), fds.size(), static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return ProbeOutcome::kUnreachable;
    if (ready <= 0) continue;
    if (fds[1].revents != 0) return ProbeOutcome::kTimedOut;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    return OutcomeOf(error);
  }
}

}  // namespace

ProbeOutcome ProbeOnce(const SocketAddress& target, milliseconds timeout, int stop) {
  const base::Fd socket(::socket(target.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return OutcomeOf(errno);
  if (connect(socket.get(), target.get(), target.size()) == 0) return ProbeOutcome::kConnected;
  if (errno != EINPROGRESS) return OutcomeOf(errno);
  return Await(socket, timeout, stop);
}

Prober::Prober() : stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Prober::~Prober() {
  std::thread last;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    last = std::move(thread_);
  }
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof one) < 0) {
    // The probe's own timeout is left, which is short.
  }
  if (last.joinable()) last.join();
}

bool Prober::Start(const SocketAddress& target, milliseconds timeout, Callback done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (busy_ || stopping_) return false;
  if (thread_.joinable()) thread_.join();  // it has answered, or is about to
  busy_ = true;
  try {
    thread_ = std::thread([this, target, timeout, done = std::move(done)] {
      const ProbeOutcome outcome = ProbeOnce(target, timeout, stop_.get());
      {
        // Before the answer: who has it may ask again.
        const std::lock_guard<std::mutex> inner(mutex_);
        busy_ = false;
      }
      done(outcome);
    });
  } catch (const std::system_error&) {
    busy_ = false;
    return false;
  }
  return true;
}

}  // namespace sandgate::runner
