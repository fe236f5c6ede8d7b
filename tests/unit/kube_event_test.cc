// Events: what is worth a call, and what is sent.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "libs/kube/event_logic.h"
#include "libs/kube/events.h"
#include "tests/support/fake_transport.h"

namespace sandgate::kube {
namespace {

using Kind = EventDecision::Kind;
using std::chrono::minutes;
using testing::FakeTransport;

const base::MonotonicTime kStart{std::chrono::hours(1)};

TEST(EventLogic, RepetitionRaisesACount) {
  EventCorrelator correlator;
  EXPECT_EQ(correlator.Decide("u", "t", kStart).kind, Kind::kCreate);
  EXPECT_EQ(correlator.Decide("u", "t", kStart).kind, Kind::kCreate);  // the first one failed
  correlator.Created("u", "t", "name", kStart);
  const EventDecision again = correlator.Decide("u", "t", kStart + minutes(10));
  EXPECT_EQ(again.kind, Kind::kRaiseCount);
  EXPECT_EQ(again.name, "name");
  EXPECT_EQ(again.count, 2);
  EXPECT_EQ(correlator.Decide("u", "other", kStart).kind, Kind::kCreate);
  EXPECT_EQ(correlator.Decide("v", "t", kStart).kind, Kind::kCreate);
  EXPECT_EQ(correlator.Decide("u", "t", kStart + minutes(21)).kind, Kind::kCreate);
  correlator.Created("u", "t", "name2", kStart + minutes(21));
  correlator.Lost("u", "t");
  EXPECT_EQ(correlator.Decide("u", "t", kStart + minutes(21)).kind, Kind::kCreate);
}

TEST(EventLogic, ANoisyObjectIsCutOffAndComesBackSlowly) {
  EventCorrelator correlator;
  for (int i = 0; i < 25; ++i) {
    EXPECT_EQ(correlator.Decide("u", std::to_string(i), kStart).kind, Kind::kCreate);
  }
  EXPECT_EQ(correlator.Decide("u", "x", kStart).kind, Kind::kDrop);
  EXPECT_EQ(correlator.Decide("v", "x", kStart).kind, Kind::kCreate);  // others are not
  EXPECT_EQ(correlator.Decide("u", "x", kStart + minutes(4)).kind, Kind::kDrop);
  EXPECT_EQ(correlator.Decide("u", "x", kStart + minutes(6)).kind, Kind::kCreate);
  EXPECT_EQ(correlator.Decide("u", "x", kStart + minutes(6)).kind, Kind::kDrop);
}

// More objects than the tables hold: the ones used longest ago are forgotten, nothing grows.
TEST(EventLogic, ManyObjects) {
  EventCorrelator correlator;
  for (size_t i = 0; i < 2 * kMaxEventEntries; ++i) {
    const auto now = kStart + std::chrono::seconds(i);
    const std::string uid = std::to_string(i);
    EXPECT_EQ(correlator.Decide(uid, "t", now).kind, Kind::kCreate);
    correlator.Created(uid, "t", "n", now);
  }
  EXPECT_EQ(correlator.entries(), 2 * kMaxEventEntries);
}

const api::Json kObject = {
    {"apiVersion", "sandgate.dev/v1alpha1"},
    {"kind", "Execution"},
    {"metadata", {{"namespace", "a"}, {"name", "x"}, {"uid", "u"}, {"resourceVersion", "9"}}}};

// Blocks until `count` writes of Events are done.
struct Server {
  explicit Server() {
    fake->after_call = [this](const testing::Call&, unsigned) {
      const std::lock_guard<std::mutex> lock(mutex);
      ++done;
      changed.notify_all();
    };
  }
  void WaitFor(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done >= count; });
  }
  std::shared_ptr<FakeTransport> fake = std::make_shared<FakeTransport>();
  std::mutex mutex;
  std::condition_variable changed;
  int done = 0;
};

TEST(EventRecorder, SendsOneAndCountsTheRest) {
  Server server;
  EventRecorder recorder(Api(server.fake), "operator", "pod-1");
  for (int i = 0; i < 3; ++i) recorder.Record(kObject, EventType::kWarning, "Why", "how");
  server.WaitFor(3);
  const auto events = server.fake->All(kEvents);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["count"], 3);
  EXPECT_EQ(events[0]["type"], "Warning");
  EXPECT_EQ(events[0]["involvedObject"]["uid"], "u");
  EXPECT_EQ(events[0]["metadata"]["namespace"], "a");
  EXPECT_EQ(events[0]["source"]["component"], "operator");
  // The API server keeps Events for an hour only.
  server.fake->Remove(kEvents, "a", events[0]["metadata"]["name"]);
  recorder.Record(kObject, EventType::kWarning, "Why", "how");
  server.WaitFor(5);  // the patch that finds nothing, and a create
  EXPECT_EQ(server.fake->All(kEvents).size(), 1U);
}

TEST(EventRecorder, CutsMessagesBetweenCharacters) {
  Server server;
  EventRecorder recorder(Api(server.fake), "operator", "pod-1");
  std::string message(1023, 'x');
  recorder.Record(kObject, EventType::kNormal, "Why", message + "\xc3\xa4");
  server.WaitFor(1);
  EXPECT_EQ(server.fake->All(kEvents)[0]["message"], message);
}

TEST(EventRecorder, AnApiServerThatHangsHoldsNobodyUp) {
  Server server;
  std::mutex gate;
  gate.lock();
  server.fake->before_call = [&](const testing::Call&) {
    const std::lock_guard<std::mutex> wait(gate);
  };
  {
    EventRecorder recorder(Api(server.fake), "operator", "pod-1");
    for (int i = 0; i < 3000; ++i) {
      api::Json object = kObject;
      object["metadata"]["uid"] = std::to_string(i);
      recorder.Record(object, EventType::kNormal, "Why", "how");
    }
    EXPECT_GE(recorder.dropped(), 1999U);
    gate.unlock();
  }
}

}  // namespace
}  // namespace sandgate::kube
