// Two electors and a real Lease; one is a process that gets killed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "libs/kube/leader.h"
#include "tests/integration/kube_integration_env.h"

extern char** environ;

namespace sandgate::kube {
namespace {

LeaderOptions Options(const std::string& ns, const std::string& identity) {
  LeaderOptions options;
  options.ns = ns;
  options.name = "lead";
  options.identity = identity;
  options.lease_duration = std::chrono::milliseconds(3'000);
  options.renew_deadline = std::chrono::milliseconds(2'000);
  options.retry_period = std::chrono::milliseconds(200);
  return options;
}

// This program again, as a candidate; its stdout says when it leads.
class Child {
 public:
  Child(const std::string& ns, const std::string& identity) {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    const char* argv[] = {"lead", "--lead", ns.c_str(), identity.c_str(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, const_cast<char**>(argv),
                            environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(fds[1]);
    out_ = fds[0];
  }
  ~Child() {
    Kill();
    ::close(out_);
  }
  // False if it ended without leading.
  bool WaitUntilItLeads() const {
    char byte = 0;
    return ::read(out_, &byte, 1) == 1;
  }
  void Kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  int out_ = -1;
};

TEST(RealLeader, TheNextTakesOverAfterAKill) {
  const Api api(RealTransport());
  const std::string ns = NewNamespace(api);
  Child child(ns, "child");
  ASSERT_TRUE(child.WaitUntilItLeads());
  std::mutex mutex;
  std::condition_variable told;
  bool leads = false;
  LeaderElector heir(
      api, Options(ns, "heir"),
      [&] {
        const std::lock_guard<std::mutex> lock(mutex);
        leads = true;
        told.notify_all();
      },
      nullptr);
  heir.Start();
  EXPECT_EQ((*api.Get(kLeases, ns, "lead"))["spec"]["holderIdentity"], "child");
  EXPECT_FALSE(heir.IsLeader());
  child.Kill();
  {
    std::unique_lock lock(mutex);
    told.wait(lock, [&] { return leads; });
  }
  const auto lease = api.Get(kLeases, ns, "lead");
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ((*lease)["spec"]["holderIdentity"], "heir");
  EXPECT_EQ((*lease)["spec"]["leaseTransitions"], 1);
  // A restart under the same name needs no waiting, and a given back lease neither.
  heir.Stop();
  EXPECT_EQ((*api.Get(kLeases, ns, "lead"))["spec"]["holderIdentity"], "");
  Child next(ns, "next");
  EXPECT_TRUE(next.WaitUntilItLeads());
}

}  // namespace

void LeadUntilKilled(const std::string& ns, const std::string& identity) {
  LeaderElector elector(
      Api(RealTransport()), Options(ns, identity),
      [] {
        if (::write(STDOUT_FILENO, "L", 1) != 1) ::_exit(1);
      },
      [] { ::_exit(1); });
  elector.Start();
  while (true) ::pause();
}

}  // namespace sandgate::kube
