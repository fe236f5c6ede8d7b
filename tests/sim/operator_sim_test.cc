// Thousands of seeded lives of a cluster. A failure names its seed: run it alone with
//   operator_sim_test --gtest_filter=*Seed* and SANDGATE_SIM_SEED=N
#include <gtest/gtest.h>

#include <cstdlib>

#include "libs/base/log.h"
#include "tests/sim/sim_world.h"

namespace sandgate::sim {
namespace {

constexpr int kSteps = 1'500;

struct Starts {
  int all = 0, approved = 0, changed = 0, networked = 0;
  size_t late = 0;  // approvals
};

Starts Simulate(uint64_t seed) {
  World world(seed);
  world.Run(kSteps);
  for (const std::string& problem : world.problems()) {
    ADD_FAILURE() << "seed " << seed << ": " << problem;
  }
  return {world.starts(), world.approved_starts(), world.changed_workspaces(),
          world.networked_starts(), world.late_approvals()};
}

class OperatorSim : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("SANDGATE_SIM_SEED") == nullptr) base::SetLogSink([](const std::string&) {});
  }
  void TearDown() override { base::SetLogSink({}); }
};

TEST_F(OperatorSim, InvariantsHoldForEverySeed) {
  const char* seeds = std::getenv("SANDGATE_SIM_SEEDS");
  const int count = seeds == nullptr ? 200 : std::atoi(seeds);
  Starts starts;
  for (int seed = 1; seed <= count && !HasFailure(); ++seed) {
    const Starts one = Simulate(static_cast<uint64_t>(seed));
    starts.all += one.all;
    starts.approved += one.approved;
    starts.changed += one.changed;
    starts.networked += one.networked;
    starts.late += one.late;
  }
  std::printf("%d starts, %d approved, %d with network, %d after a change, %zu approved too late\n",
              starts.all, starts.approved, starts.networked, starts.changed, starts.late);
  if (HasFailure()) return;
  EXPECT_GT(starts.all, count) << "a simulator in which little runs proves little";
  EXPECT_GT(starts.approved, count / 6);
  EXPECT_GT(starts.changed, count / 50);
  EXPECT_GT(starts.networked, count / 8);
  EXPECT_GT(starts.late, static_cast<size_t>(count / 50)) << "slow calls are part of it";
}

TEST_F(OperatorSim, OneSeed) {
  const char* seed = std::getenv("SANDGATE_SIM_SEED");
  Simulate(seed == nullptr ? 424'242 : std::strtoull(seed, nullptr, 10));
}

}  // namespace
}  // namespace sandgate::sim
