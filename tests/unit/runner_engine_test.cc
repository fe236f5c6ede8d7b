// The run engine with real namespaces, on the kernel that the test runs on. What only gVisor can
// show (its memory, its own ptrace rules) is tested end to end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runner/run_supervisor.h"

namespace sandgate::runner {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, nullptr);
    char name[] = "/var/tmp/sandgate-engine-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    workspace_ = name;
    auto spawner = Spawner::Create(SANDGATE_RUNNER);
    ASSERT_TRUE(spawner.ok()) << spawner.status().ToString();
    auto made = RunSupervisor::Create({workspace_, 64 << 20}, std::move(spawner).value());
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    engine_ = std::move(made).value();
  }
  void TearDown() override { std::filesystem::remove_all(workspace_); }

  static api::RunRequest Request(api::Language language, std::string code) {
    api::RunRequest request;
    request.language = language;
    request.code = std::move(code);
    request.timeout_millis = 60'000;
    request.grace_millis = 500;
    request.memory_bytes = 512 << 20;
    request.output_bytes = 1 << 20;
    return request;
  }
  api::RunState Run(const api::RunRequest& request) {
    auto state = engine_->Run(request);
    EXPECT_TRUE(state.ok()) << state.status().ToString();
    return state.ok() ? std::move(state).value() : api::RunState{};
  }
  api::RunState Shell(const std::string& code) { return Run(Request(api::Language::kShell, code)); }
  // A shell that came as far as printing `printed` before its timeout, however slow the machine is.
  api::RunState TimedOut(const std::string& printed, const std::string& code,
                         int64_t grace_millis) {
    auto request = Request(api::Language::kShell, code);
    request.grace_millis = grace_millis;
    for (request.timeout_millis = 300;; request.timeout_millis *= 2) {
      auto state = Run(request);
      EXPECT_EQ(state.outcome, api::RunOutcome::kTimedOut) << state.error_message;
      if (state.out.starts_with(printed) || request.timeout_millis > 60'000) return state;
    }
  }

  std::string workspace_;
  std::unique_ptr<RunSupervisor> engine_;
};

TEST_F(EngineTest, KeepsTheStreamsApartAndTheExitCode) {
  const auto state = Shell("echo out; echo err >&2; exit 7");
  EXPECT_EQ(state.outcome, api::RunOutcome::kExited) << state.error_message;
  EXPECT_EQ(state.exit_code, 7);
  EXPECT_EQ(state.out, "out\n");
  EXPECT_EQ(state.err, "err\n");
}

TEST_F(EngineTest, SignalsAre128PlusN) {
  EXPECT_EQ(Shell("kill -SEGV $$").exit_code, 128 + 11);
}

TEST_F(EngineTest, StartsInTheWorkspaceWithASmallEnvironment) {
  setenv("SANDGATE_TEST_SECRET", "leak", 1);
  const auto state = Shell("pwd; env; echo kept > file");
  EXPECT_THAT(state.out, HasSubstr("/workspace\n"));
  EXPECT_THAT(state.out, HasSubstr("HOME=/workspace\n"));
  EXPECT_THAT(state.out, Not(HasSubstr("leak")));
  EXPECT_TRUE(std::filesystem::exists(workspace_ + "/file"));
}

TEST_F(EngineTest, PythonSeesModulesOfTheWorkspace) {
  std::ofstream(workspace_ + "/helper.py") << "answer = 42\n";
  const auto state = Run(Request(api::Language::kPython, "import helper\nprint(helper.answer)\n"));
  EXPECT_EQ(state.out, "42\n") << state.err << state.error_message;
}

TEST_F(EngineTest, TimesOutWithWhatWasPrinted) {
  const auto state = TimedOut("before\n",
                              "trap '' TERM; setsid bash -c 'trap \"\" TERM; sleep 1000' & echo "
                              "before; while true; do :; done",
                              200);
  EXPECT_EQ(state.exit_code, -1);
  EXPECT_EQ(state.out, "before\n");
  EXPECT_EQ(Shell("exit 0").exit_code, 0);
}

// No process substitution while a trap is set: bash 5.2 may run the trap in the middle of the parse
// of one, where it is a syntax error, and the signal is lost.
TEST_F(EngineTest, SigtermIsSeenWithinTheGrace) {
  const auto state = TimedOut(
      "ready\n", "trap 'echo bye; exit 3' TERM; echo ready; while true; do :; done", 20'000);
  EXPECT_EQ(state.out, "ready\nbye\n");
}

TEST_F(EngineTest, AStoppedTreeIsEnded) {
  auto request = Request(api::Language::kShell, "(kill -STOP $BASHPID) & kill -STOP $$; sleep 100");
  request.timeout_millis = 200;
  request.grace_millis = 100;
  EXPECT_EQ(Run(request).outcome, api::RunOutcome::kTimedOut);
}

TEST_F(EngineTest, AChildThatHoldsThePipeDoesNotHoldTheRun) {
  const auto state = Shell("setsid sleep 1000 & echo done");
  EXPECT_EQ(state.outcome, api::RunOutcome::kExited);
  EXPECT_EQ(state.out, "done\n");
}

TEST_F(EngineTest, KeepsExactlyTheLimitOfAnEndlessStream) {
  auto request = Request(api::Language::kShell, "head -c 50000000 /dev/zero | tr '\\0' x");
  request.output_bytes = 1000;
  const auto state = Run(request);
  EXPECT_EQ(state.exit_code, 0);
  EXPECT_TRUE(state.out_truncated);
  EXPECT_EQ(state.out, std::string(1000, 'x') + "\n[OUTPUT TRUNCATED]");
  EXPECT_FALSE(state.err_truncated);
}

TEST_F(EngineTest, EndsWhatIsOverItsMemory) {
  auto request = Request(api::Language::kPython,
                         "import time\nx = bytearray(200_000_000)\nprint('made')\ntime.sleep(100)");
  request.memory_bytes = 100 << 20;
  const auto state = Run(request);
  EXPECT_EQ(state.outcome, api::RunOutcome::kMemoryExceeded) << state.err;
  EXPECT_NE(state.exit_code, 0);
  EXPECT_THAT(state.error_message, HasSubstr("100 MiB"));
}

TEST_F(EngineTest, CancelEndsTheRun) {
  std::thread canceller([this] {
    while (!std::filesystem::exists(workspace_ + "/running")) std::this_thread::yield();
    engine_->Cancel();
  });
  const auto state = Shell("touch running; sleep 1000");
  canceller.join();
  EXPECT_EQ(state.outcome, api::RunOutcome::kCancelled);
  engine_->ForgetCancel();
  EXPECT_EQ(Shell("true").outcome, api::RunOutcome::kExited);
}

TEST_F(EngineTest, LeavesNothingButTheWorkspace) {
  Shell("echo x > /tmp/left; echo x > /dev/shm/left; setsid sleep 1000 &");
  const auto state = Shell("ls -A /tmp /dev/shm; for p in /proc/[0-9]*; do echo ${p#/proc/}; done");
  EXPECT_EQ(state.out, "/dev/shm:\n\n/tmp:\n1\n2\n");
}

TEST_F(EngineTest, SaysWhichInterpreterIsMissing) {
  auto request = Request(api::Language::kJavaScript, "console.log(1 + 1)");
  const auto state = Run(request);
  if (state.outcome == api::RunOutcome::kRefused) {
    EXPECT_THAT(state.error_message, HasSubstr("start the interpreter"));
  } else {
    EXPECT_EQ(state.out, "2\n") << state.err;
  }
}

TEST(Spawner, SaysWhenThereIsNoStageAnyMore) {
  auto spawner = Spawner::Create(SANDGATE_RUNNER);
  ASSERT_TRUE(spawner.ok()) << spawner.status().ToString();
  kill(spawner->stage(), SIGKILL);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(spawner->stage()), &info, WEXITED | WNOWAIT), 0);
  const auto run = spawner->Spawn(SpecFor(api::Language::kShell, "true", 64 << 20, 0, "/tmp"));
  EXPECT_EQ(run.status().code(), base::Code::kUnavailable);
}

}  // namespace
}  // namespace sandgate::runner
