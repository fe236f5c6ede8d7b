// Who is looked at when: with time in the test's hands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api-gateway/wait_table.h"

namespace sandgate::gateway {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const base::MonotonicTime kStart{};
const kube::Key kA{"ns", "a"};
const kube::Key kB{"ns", "b"};

// Registered, and seen to exist: asleep.
WaitId Asleep(WaitTable* table, const kube::Key& key, seconds wait, base::MonotonicTime now) {
  const auto id = table->Add(key, now + wait);
  EXPECT_TRUE(id.has_value());
  EXPECT_FALSE(table->LookEnded(*id, now));
  return *id;
}

TEST(GatewayWaitTable, AnEventWakesThoseOfItsKey) {
  WaitTable table(10);
  const WaitId first = Asleep(&table, kA, seconds(100), kStart);
  const WaitId second = Asleep(&table, kA, seconds(100), kStart);
  Asleep(&table, kB, seconds(100), kStart);
  EXPECT_THAT(table.Wake(kA), ElementsAre(first, second));
  EXPECT_THAT(table.Wake({"ns", "c"}), IsEmpty());
  EXPECT_THAT(table.Wake({"other", "a"}), IsEmpty());
}

// The event came between registering and the first look, or during a look: it is not lost.
TEST(GatewayWaitTable, AnEventDuringALookMeansAnotherLook) {
  WaitTable table(10);
  const WaitId id = *table.Add(kA, kStart + seconds(100));
  EXPECT_THAT(table.Wake(kA), IsEmpty());  // one look at a time
  EXPECT_TRUE(table.LookEnded(id, kStart));
  EXPECT_FALSE(table.LookEnded(id, kStart));
  EXPECT_THAT(table.Wake(kA), ElementsAre(id));
}

TEST(GatewayWaitTable, ADeadlineEndsTheWaitEvenDuringALook) {
  WaitTable table(10);
  const WaitId looking = *table.Add(kA, kStart + seconds(5));
  const WaitId asleep = Asleep(&table, kB, seconds(7), kStart);
  EXPECT_EQ(table.NextDue(), kStart + seconds(5));
  EXPECT_THAT(table.TakeDue(kStart + seconds(4)).expired, IsEmpty());
  EXPECT_THAT(table.TakeDue(kStart + seconds(7)).expired, ElementsAre(looking, asleep));
  EXPECT_EQ(table.size(), 0U);
  EXPECT_FALSE(table.Remove(looking));
  EXPECT_FALSE(table.LookEnded(looking, kStart));
  EXPECT_EQ(table.NextDue(), std::nullopt);
}

// What a broken watch swallowed is found by looking now and then.
TEST(GatewayWaitTable, WithoutEventsItIsLookedAtAllTheSame) {
  WaitTable table(10);
  const WaitId id = Asleep(&table, kA, seconds(600), kStart);
  EXPECT_EQ(table.NextDue(), kStart + WaitTable::kRecheck);
  const auto due = table.TakeDue(kStart + WaitTable::kRecheck);
  EXPECT_THAT(due.look, ElementsAre(id));
  EXPECT_THAT(due.expired, IsEmpty());
  EXPECT_EQ(table.NextDue(), kStart + seconds(600));  // until the look has ended
  table.LookFailed(id, kStart + WaitTable::kRecheck);
  EXPECT_EQ(table.NextDue(), kStart + WaitTable::kRecheck + WaitTable::kRetry);
}

TEST(GatewayWaitTable, AListWakesThoseThatAreNotInIt) {
  WaitTable table(10);
  const WaitId ended = Asleep(&table, kA, seconds(100), kStart);
  Asleep(&table, kB, seconds(100), kStart);
  EXPECT_THAT(table.WakeOthers({kB}), ElementsAre(ended));
}

TEST(GatewayWaitTable, OnlyOneMayAnswer) {
  WaitTable table(10);
  const WaitId id = Asleep(&table, kA, seconds(100), kStart);
  EXPECT_TRUE(table.Remove(id));
  EXPECT_FALSE(table.Remove(id));
  EXPECT_THAT(table.Wake(kA), IsEmpty());
}

TEST(GatewayWaitTable, ItIsBounded) {
  WaitTable table(2);
  const WaitId first = Asleep(&table, kA, seconds(1), kStart);
  Asleep(&table, kA, seconds(1), kStart);
  EXPECT_EQ(table.Add(kB, kStart), std::nullopt);
  table.Remove(first);
  EXPECT_TRUE(table.Add(kB, kStart).has_value());
}

}  // namespace
}  // namespace sandgate::gateway
