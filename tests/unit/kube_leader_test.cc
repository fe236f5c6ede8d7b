// Leader election: what is decided as a table, the elector against the API server in memory.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "libs/kube/leader.h"
#include "libs/kube/leader_logic.h"
#include "tests/support/fake_transport.h"

namespace sandgate::kube {
namespace {

using std::chrono::seconds;
using testing::FakeTransport;
using testing::Fault;

const base::MonotonicTime kStart{std::chrono::hours(1)};
constexpr seconds kDuration{15};

LeaseRecord Lease(const std::string& holder, const std::string& version = "1") {
  LeaseRecord lease;
  lease.uid = "u";
  lease.resource_version = version;
  lease.holder = holder;
  lease.acquire_time = "2026-01-01T00:00:00.000000Z";
  lease.transitions = 3;
  return lease;
}

TEST(LeaderLogic, Table) {
  const struct {
    const char* name;
    std::optional<LeaseRecord> lease;
    bool leading;
    seconds unchanged;  // since we saw this version first
    LeaderMove move;
  } rows[] = {
      {"no lease", std::nullopt, false, seconds(0), LeaderMove::kCreate},
      {"deleted while we lead", std::nullopt, true, seconds(0), LeaderMove::kCreate},
      {"ours", Lease("me"), true, seconds(2), LeaderMove::kRenew},
      {"ours from before a restart", Lease("me"), false, seconds(0), LeaderMove::kRenew},
      {"given back", Lease(""), false, seconds(0), LeaderMove::kTake},
      {"another's, just seen", Lease("other"), false, seconds(0), LeaderMove::kStandBy},
      {"another's, a moment too early", Lease("other"), false, seconds(14), LeaderMove::kStandBy},
      {"another's, expired", Lease("other"), false, seconds(15), LeaderMove::kTake},
      {"taken from us", Lease("other"), true, seconds(0), LeaderMove::kLost},
      {"taken from us and given back", Lease(""), true, seconds(0), LeaderMove::kLost},
      {"taken from us and expired", Lease("other"), true, seconds(60), LeaderMove::kLost},
  };
  for (const auto& row : rows) {
    LeaderMemory memory;
    memory.leading = row.leading;
    ObserveLease(row.lease, kStart, &memory);
    const base::MonotonicTime now = kStart + row.unchanged;
    ObserveLease(row.lease, now, &memory);
    EXPECT_EQ(DecideLeader(row.lease, memory, now, "me", kDuration), row.move) << row.name;
  }
}

// The holder's clock says nothing: only that we saw the lease change.
TEST(LeaderLogic, ARenewalSeenStartsTheTimeAnew) {
  LeaderMemory memory;
  ObserveLease(Lease("other", "1"), kStart, &memory);
  ObserveLease(Lease("other", "2"), kStart + seconds(14), &memory);
  EXPECT_EQ(DecideLeader(Lease("other", "2"), memory, kStart + seconds(28), "me", kDuration),
            LeaderMove::kStandBy);
  EXPECT_EQ(DecideLeader(Lease("other", "2"), memory, kStart + seconds(29), "me", kDuration),
            LeaderMove::kTake);
}

TEST(LeaderLogic, RenewalHasADeadline) {
  LeaderMemory memory;
  EXPECT_FALSE(RenewalFailed(memory, kStart, seconds(10)));  // who does not lead has none
  memory.leading = true;
  memory.last_renewal = kStart;
  EXPECT_FALSE(RenewalFailed(memory, kStart + seconds(9), seconds(10)));
  EXPECT_TRUE(RenewalFailed(memory, kStart + seconds(10), seconds(10)));
}

TEST(LeaderLogic, WhatIsWritten) {
  const base::Time now = *base::ParseTime("2026-02-03T04:05:06Z");
  const api::Json renewed = LeaseSpec(Lease("me"), LeaderMove::kRenew, "me", kDuration, now);
  EXPECT_EQ(renewed["acquireTime"], "2026-01-01T00:00:00.000000Z");
  EXPECT_EQ(renewed["renewTime"], "2026-02-03T04:05:06.000000Z");
  EXPECT_EQ(renewed["leaseTransitions"], 3);
  EXPECT_EQ(renewed["leaseDurationSeconds"], 15);
  const api::Json taken = LeaseSpec(Lease("other"), LeaderMove::kTake, "me", kDuration, now);
  EXPECT_EQ(taken["acquireTime"], taken["renewTime"]);
  EXPECT_EQ(taken["leaseTransitions"], 4);
  EXPECT_EQ(taken["holderIdentity"], "me");
  const api::Json short_one =
      LeaseSpec(std::nullopt, LeaderMove::kCreate, "me", std::chrono::milliseconds(5), now);
  EXPECT_EQ(short_one["leaseDurationSeconds"], 1);  // the API server refuses 0
  EXPECT_EQ(short_one["leaseTransitions"], 0);
}

// An elector and what it told.
class Candidate {
 public:
  Candidate(std::shared_ptr<rest::Transport> server, const std::string& name,
            std::chrono::milliseconds renew_deadline = std::chrono::seconds(60))
      : elector_(
            Api(std::move(server)), Options(name, renew_deadline), [this] { Tell(&started_); },
            [this] { Tell(&stopped_); }) {
    elector_.Start();
  }
  void WaitForStart() { Wait(&started_); }
  void WaitForLoss() { Wait(&stopped_); }
  bool lost() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return stopped_;
  }
  LeaderElector& elector() { return elector_; }

 private:
  static LeaderOptions Options(const std::string& name, std::chrono::milliseconds renew_deadline) {
    LeaderOptions options;
    options.ns = "sys";
    options.name = "lead";
    options.identity = name;
    options.lease_duration = renew_deadline * 2;
    options.renew_deadline = renew_deadline;
    options.retry_period = std::chrono::milliseconds(20);
    return options;
  }
  void Tell(bool* what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    *what = true;
    told_.notify_all();
  }
  void Wait(const bool* what) {
    std::unique_lock lock(mutex_);
    told_.wait(lock, [&] { return *what; });
  }

  std::mutex mutex_;
  std::condition_variable told_;
  bool started_ = false;  // guarded by mutex_
  bool stopped_ = false;  // guarded by mutex_
  LeaderElector elector_;
};

std::string Holder(const FakeTransport& server) {
  const auto lease = server.Find(kLeases, "sys", "lead");
  return lease ? (*lease)["spec"]["holderIdentity"].get<std::string>() : "(none)";
}

TEST(LeaderElector, OneLeadsAndTheNextTakesOverAtOnce) {
  const auto server = std::make_shared<FakeTransport>();
  Candidate one(server, "one");
  one.WaitForStart();
  EXPECT_TRUE(one.elector().IsLeader());
  Candidate two(server, "two");
  EXPECT_EQ(Holder(*server), "one");
  EXPECT_FALSE(two.elector().IsLeader());
  one.elector().Stop();
  EXPECT_FALSE(one.elector().IsLeader());
  EXPECT_FALSE(one.lost());
  two.WaitForStart();  // the lease lasts two minutes: only the giving back can be the reason
  EXPECT_EQ(Holder(*server), "two");
}

TEST(LeaderElector, WhoseLeaseIsTakenStops) {
  const auto server = std::make_shared<FakeTransport>();
  Candidate one(server, "one");
  one.WaitForStart();
  server->Put(kLeases, {{"metadata", {{"name", "lead"}, {"namespace", "sys"}}},
                        {"spec", {{"holderIdentity", "thief"}}}});
  one.WaitForLoss();
  EXPECT_FALSE(one.elector().IsLeader());
  one.elector().Stop();
  EXPECT_EQ(Holder(*server), "thief");  // what is not ours is not given back
}

TEST(LeaderElector, WhoCannotRenewStopsAndDoesNotWaitForTheCall) {
  const auto server = std::make_shared<FakeTransport>();
  std::atomic<bool> down{false};
  server->fault = [&](const testing::Call&) { return down ? Fault::kUnreachable : Fault::kNone; };
  Candidate one(server, "one", std::chrono::milliseconds(300));
  one.WaitForStart();
  down = true;
  one.WaitForLoss();
  EXPECT_FALSE(one.elector().IsLeader());
  down = false;
}

// A lost answer may hide a write that happened: the next round finds the lease to be ours.
TEST(LeaderElector, ALostAnswerIsNoLoss) {
  const auto server = std::make_shared<FakeTransport>();
  std::atomic<int> calls{0};
  server->fault = [&](const testing::Call&) {
    return ++calls == 2 ? Fault::kLostAnswer : Fault::kNone;  // the create
  };
  Candidate one(server, "one");
  one.WaitForStart();
  EXPECT_EQ(Holder(*server), "one");
}

TEST(LeaderElector, NeverTwoAtATime) {
  const auto server = std::make_shared<FakeTransport>();
  for (int i = 0; i < 10; ++i) {
    Candidate one(server, "one");
    Candidate two(server, "two");
    while (!one.elector().IsLeader() && !two.elector().IsLeader()) std::this_thread::yield();
    EXPECT_FALSE(one.elector().IsLeader() && two.elector().IsLeader());
  }
}

}  // namespace
}  // namespace sandgate::kube
