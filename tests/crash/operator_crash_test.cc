// Some hundred lives of an operator that crashes, under I1 to I10. Beside tests/sim, which feeds
// the caches by hand: here the operator is whole, with its informers and its client of the API
// server, the runners have their real table, and what a dead process has sent may still arrive.
// A seed that fails is tried again by SANDGATE_CRASH_SEED=N; SANDGATE_CRASH_SEEDS=N tries more.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "libs/base/log.h"
#include "tests/crash/invariants.h"

namespace sandgate::crash {
namespace {

constexpr uint64_t kSeeds = 300;
constexpr int kSteps = 500;

// What came up, so that a simulator in which nothing happens fails.
struct Tally {
  size_t starts = 0, networked = 0, decisions = 0, late = 0;
  int crashes = 0, faults = 0, audit_faults = 0, complete = 0;
  std::map<std::string, int> phases;
  std::map<std::string, int> isolated;  // by the condition's reason
};

void CountIsolated(const World& world, Tally* tally) {
  for (const testing::Change& change : world.server().ChangesSince(0)) {
    const auto sandbox = api::Sandbox::FromJson(change.after);
    if (change.key.resource != testing::NameOf(kube::kSandboxes) || !sandbox.ok()) continue;
    const auto* said = api::FindCondition(sandbox->status.conditions, "NetworkIsolated");
    if (said != nullptr) ++tally->isolated[said->reason];
  }
}

void Live(uint64_t seed, Tally* tally) {
  SCOPED_TRACE("SANDGATE_CRASH_SEED=" + std::to_string(seed));
  World world(seed);
  world.Chaos(kSteps);
  EXPECT_TRUE(world.Settle()) << "the operator does not come to rest";
  for (const std::string& violation : Violations(world)) ADD_FAILURE() << violation;
  EXPECT_EQ(world.Quiet(), 0) << "I10: writes although nothing goes on";
  CountIsolated(world, tally);
  tally->starts += world.starts().size();
  for (const Start& start : world.starts()) tally->networked += start.network ? 1 : 0;
  tally->decisions += world.decisions().size();
  tally->late += world.late().size();
  tally->crashes += world.crashes();
  tally->faults += world.faults();
  tally->audit_faults += world.audit_faults();
  const bool complete = world.crashes() == 0 && world.audit_faults() == 0;
  tally->complete += complete && world.faults() > 0 ? 1 : 0;
  for (const api::Json& execution : world.server().All(kube::kExecutions)) {
    ++tally->phases[api::StringOr(api::Member(execution, "status"), "phase")];
  }
}

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

TEST(OperatorCrash, InvariantsHoldWhateverHappens) {
  base::SetLogSink([](const std::string&) {});  // thousands of faults, each of them logged
  const uint64_t only = FromEnvironment("SANDGATE_CRASH_SEED", 0);
  const uint64_t last = FromEnvironment("SANDGATE_CRASH_SEEDS", kSeeds);
  Tally tally;
  for (uint64_t seed = only ? only : 1; seed <= (only ? only : last) && !HasFailure(); ++seed) {
    Live(seed, &tally);
  }
  base::SetLogSink({});
  for (const auto& [phase, count] : tally.phases) RecordProperty("phase" + phase, count);
  std::printf(
      "%zu starts, %zu with network, %zu decisions, %zu approvals too late, %d crashes, "
      "%d faults\n",
      tally.starts, tally.networked, tally.decisions, tally.late, tally.crashes, tally.faults);
  for (const auto& [phase, count] : tally.phases) {
    std::printf("  %s %d\n", phase.c_str(), count);
  }
  for (const auto& [reason, count] : tally.isolated) {
    std::printf("  isolated: %s %d\n", reason.c_str(), count);
  }
  if (only != 0 || HasFailure()) return;
  EXPECT_GT(tally.starts, last);
  EXPECT_GT(tally.networked, last / 12);
  EXPECT_GT(tally.decisions, last);
  EXPECT_GT(tally.late, 0u);
  EXPECT_GT(tally.crashes, static_cast<int>(last));
  EXPECT_GT(tally.faults, static_cast<int>(last));
  EXPECT_GT(tally.audit_faults, static_cast<int>(last) / 3);
  EXPECT_GT(tally.complete, 0) << "lives in which the audit log must be complete";
  for (const char* phase :
       {"Succeeded", "Failed", "TimedOut", "Denied", "Expired", "Cancelled", "Lost"}) {
    EXPECT_GT(tally.phases[phase], 0) << phase;
  }
  for (const char* reason : {"PolicyEnforced", "PolicyNotEnforced", "ProbeFailed"}) {
    EXPECT_GT(tally.isolated[reason], 0) << reason;
  }
}

}  // namespace
}  // namespace sandgate::crash
