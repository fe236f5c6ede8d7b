// The work queue's rules with time in the test's hand; its shell with real threads.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "libs/kube/work_queue.h"
#include "libs/kube/work_queue_state.h"

namespace sandgate::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const base::MonotonicTime kStart{std::chrono::hours(1)};
const Key kA{"ns", "a"};
const Key kB{"ns", "b"};

TEST(WorkQueueState, OnceHoweverOftenAdded) {
  WorkQueueState queue;
  queue.Add(kA);
  queue.Add(kB);
  queue.Add(kA);
  EXPECT_EQ(queue.depth(), 2U);
  EXPECT_EQ(queue.Take(kStart), kA);
  EXPECT_EQ(queue.Take(kStart), kB);
  EXPECT_EQ(queue.Take(kStart), std::nullopt);
}

TEST(WorkQueueState, NeverTwiceAtATimeAndNeverLost) {
  WorkQueueState queue;
  queue.Add(kA);
  EXPECT_EQ(queue.Take(kStart), kA);
  queue.Add(kA);  // while it is worked on
  queue.Add(kA);
  EXPECT_EQ(queue.Take(kStart), std::nullopt);
  queue.Done(kA);
  EXPECT_EQ(queue.Take(kStart), kA);
  queue.Done(kA);
  EXPECT_EQ(queue.Take(kStart), std::nullopt);
  queue.Done(kA);  // one too many: nothing happens
  queue.Done(kB);
  EXPECT_EQ(queue.Take(kStart), std::nullopt);
}

TEST(WorkQueueState, TheEarlierDelayCounts) {
  const struct { int first, second, due; } rows[] = {{10, 20, 10}, {20, 10, 10}, {10, 10, 10}};
  for (const auto& row : rows) {
    WorkQueueState queue;
    queue.AddAt(kA, kStart + seconds(row.first));
    queue.AddAt(kA, kStart + seconds(row.second));
    EXPECT_EQ(queue.NextDue(), kStart + seconds(row.due));
    EXPECT_EQ(queue.Take(kStart + seconds(row.due) - milliseconds(1)), std::nullopt);
    EXPECT_EQ(queue.Take(kStart + seconds(row.due)), kA);
    queue.Done(kA);
    EXPECT_EQ(queue.NextDue(), std::nullopt);
    EXPECT_EQ(queue.Take(kStart + seconds(100)), std::nullopt);
  }
}

TEST(WorkQueueState, AnAddLeavesTheDelayedOneStanding) {
  WorkQueueState queue;
  queue.AddAt(kA, kStart + seconds(10));
  queue.Add(kA);
  EXPECT_EQ(queue.Take(kStart), kA);
  queue.Done(kA);
  EXPECT_EQ(queue.Take(kStart + seconds(9)), std::nullopt);
  EXPECT_EQ(queue.Take(kStart + seconds(10)), kA);
}

TEST(WorkQueueState, ADelayedKeyThatComesDueInWorkComesAfterDone) {
  WorkQueueState queue;
  queue.Add(kA);
  EXPECT_EQ(queue.Take(kStart), kA);
  queue.AddAt(kA, kStart + seconds(1));
  EXPECT_EQ(queue.Take(kStart + seconds(2)), std::nullopt);
  queue.Done(kA);
  EXPECT_EQ(queue.Take(kStart + seconds(2)), kA);
}

TEST(WorkQueueState, DueKeysComeInTheOrderOfTheirTime) {
  WorkQueueState queue;
  queue.AddAt(kA, kStart + seconds(2));
  queue.AddAt(kB, kStart + seconds(1));
  EXPECT_EQ(queue.Take(kStart + seconds(3)), kB);
  EXPECT_EQ(queue.Take(kStart + seconds(3)), kA);
}

TEST(WorkQueueState, FailuresWaitLongerUntilForgotten) {
  WorkQueueState queue;
  base::MonotonicTime now = kStart;
  base::Duration expected = kMinRetryDelay;
  for (int i = 0; i < 100; ++i) {
    queue.AddRateLimited(kA, now, 0);
    EXPECT_EQ(*queue.NextDue() - now, expected) << i;
    now = *queue.NextDue();
    EXPECT_EQ(queue.Take(now), kA);
    queue.Done(kA);
    expected = std::min<base::Duration>(expected * 2, kMaxRetryDelay);
  }
  queue.AddRateLimited(kB, now, 0);  // each key for itself
  EXPECT_EQ(*queue.NextDue() - now, kMinRetryDelay);
  queue.Forget(kA);
  queue.AddRateLimited(kA, now, 1);
  EXPECT_EQ(queue.Take(now + kMinRetryDelay), kB);
  EXPECT_EQ(*queue.NextDue() - now, base::Duration(kMinRetryDelay) * 11 / 10);
}

// Threads: every addition is followed by a complete look, and no key is in two hands.
TEST(WorkQueue, ManyHands) {
  constexpr int kKeys = 8;
  constexpr int kRounds = 2000;
  WorkQueue queue;
  std::array<std::atomic<int>, kKeys> added{};
  std::array<std::atomic<int>, kKeys> seen{};
  std::array<std::atomic<int>, kKeys> holders{};
  std::atomic<bool> shared{false};
  std::vector<std::jthread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (const std::optional<Key> key = queue.Get()) {
        const auto at = static_cast<size_t>(std::stoi(key->name));
        if (++holders[at] != 1) shared = true;
        seen[at] = added[at].load();
        --holders[at];
        queue.Done(*key);
      }
    });
  }
  {
    std::vector<std::jthread> adders;
    for (int t = 0; t < 2; ++t) {
      adders.emplace_back([&, t] {
        for (int i = 0; i < kRounds; ++i) {
          const int at = (i * 7 + t) % kKeys;
          ++added[static_cast<size_t>(at)];
          const Key key{"", std::to_string(at)};
          i % 3 == 0 ? queue.AddAfter(key, milliseconds(1)) : queue.Add(key);
        }
      });
    }
  }
  for (size_t at = 0; at < kKeys; ++at) {
    while (seen[at] != added[at]) std::this_thread::yield();
  }
  queue.ShutDown();
  workers.clear();
  EXPECT_FALSE(shared);
  EXPECT_EQ(queue.Get(), std::nullopt);
}

class HandClock final : public base::Clock {
 public:
  base::Time Now() const override { return {}; }
  base::MonotonicTime MonotonicNow() const override { return now; }
  base::MonotonicTime now = kStart;
};

TEST(WorkQueue, TryGetFollowsTheGivenClock) {
  HandClock clock;
  WorkQueue queue(clock);
  queue.AddAfter(kA, seconds(5));
  queue.AddAfter(kB, seconds(0));
  EXPECT_EQ(queue.TryGet(), kB);
  EXPECT_EQ(queue.TryGet(), std::nullopt);
  clock.now += seconds(5);
  EXPECT_EQ(queue.TryGet(), kA);
}

}  // namespace
}  // namespace sandgate::kube
