// Who may dial the egress proxy, and when. The rest of the relay needs a network: tests/egress.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>

#include "libs/http/asio.h"
#include "runner/dial_gate.h"

namespace sandgate::runner {
namespace {

namespace net = tunnel::net;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DialGateTest : public ::testing::Test {
 protected:
  // Somebody who asks for a turn, and keeps it until told.
  struct Dialler {
    explicit Dialler(net::io_context& io) : interrupt(io.get_executor()) {}
    tunnel::Interrupt interrupt;
    DialGate::Turn* turn = nullptr;  // while it has one
    std::unique_ptr<net::steady_timer> keep;
  };

  static net::awaitable<void> Dial(DialGateTest* test, Dialler* self, int number) {
    DialGate::Turn turn = co_await test->gate_.Enter(&self->interrupt, test->io_.get_executor());
    if (!turn.has()) {
      test->gone_.push_back(number);
      co_return;
    }
    test->served_.push_back(number);
    self->turn = &turn;
    self->keep =
        std::make_unique<net::steady_timer>(test->io_, net::steady_timer::time_point::max());
    tunnel::error_code ignored;
    co_await self->keep->async_wait(net::redirect_error(net::use_awaitable, ignored));
  }

  Dialler& Ask(int number) {
    Dialler& dialler = diallers_.emplace_back(io_);
    net::co_spawn(io_, Dial(this, &dialler, number), net::detached);
    Settle();
    return dialler;
  }
  void Finish(Dialler& dialler) {
    dialler.keep->cancel();
    Settle();
  }
  void Settle() {
    io_.restart();
    io_.poll();
  }

  net::io_context io_;
  DialGate gate_{2};
  std::list<Dialler> diallers_;
  std::vector<int> served_, gone_;
};

TEST_F(DialGateTest, AFewAtATimeInTheirOrder) {
  Dialler& first = Ask(1);
  Dialler& second = Ask(2);
  Ask(3);
  Ask(4);
  EXPECT_THAT(served_, ElementsAre(1, 2));
  Finish(second);
  EXPECT_THAT(served_, ElementsAre(1, 2, 3));
  Finish(first);
  EXPECT_THAT(served_, ElementsAre(1, 2, 3, 4));
  for (Dialler& dialler : diallers_) {
    if (dialler.keep) Finish(dialler);
  }
  Ask(5);
  Ask(6);
  Ask(7);
  EXPECT_THAT(served_, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(DialGateTest, WhoIsInterruptedLeavesTheQueue) {
  Dialler& first = Ask(1);
  Ask(2);
  Dialler& third = Ask(3);
  Ask(4);
  third.interrupt.Raise(tunnel::Reason::kShutdown);
  Settle();
  EXPECT_THAT(gone_, ElementsAre(3));
  Finish(first);
  EXPECT_THAT(served_, ElementsAre(1, 2, 4));
}

TEST_F(DialGateTest, APlaceThatCameWithTheInterruptIsPassedOn) {
  Dialler& first = Ask(1);
  Ask(2);
  Dialler& third = Ask(3);
  Ask(4);
  // The place is given, and before the waiter hears of it, it is told to stop.
  first.turn->Leave();
  third.interrupt.Raise(tunnel::Reason::kShutdown);
  Settle();
  EXPECT_THAT(served_, ElementsAre(1, 2, 3));  // it has the place, and gives it back at its end
  EXPECT_THAT(gone_, IsEmpty());
  Finish(third);
  EXPECT_THAT(served_, ElementsAre(1, 2, 3, 4));
}

TEST_F(DialGateTest, WhoWasInterruptedBeforeAskingGetsNoPlaceThatIsTaken) {
  Ask(1);
  Ask(2);
  Dialler& third = diallers_.emplace_back(io_);
  third.interrupt.Raise(tunnel::Reason::kShutdown);
  net::co_spawn(io_, Dial(this, &third, 3), net::detached);
  Settle();
  EXPECT_THAT(gone_, ElementsAre(3));
}

}  // namespace
}  // namespace sandgate::runner
