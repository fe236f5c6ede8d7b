// sandgate-operator: reads its options, starts, waits for SIGTERM, ends.
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <iostream>

#include "libs/base/log.h"
#include "libs/http/health_server.h"
#include "libs/rest/client.h"
#include "operator/audit_command.h"
#include "operator/operator.h"
#include "operator/policy_command.h"

namespace sandgate::op {
namespace {

constexpr int kRestThreads = 4;
constexpr std::chrono::seconds kStartDeadline{120};
constexpr std::chrono::seconds kGrace{5};
constexpr timespec kStartRetry{1, 0};
constexpr timespec kTrimEvery{60, 0};
constexpr int kTrimsPerMaintenance = 60;

int Fail(const std::string& what) {
  base::LogError("cannot start", {{"error", what}});
  return 1;
}

base::Result<std::unique_ptr<http::Server>> ServeHealth(const http::Address& address,
                                                        Operator* op) {
  return http::ServeHealth(
      address, {[op] { return op->Ready(); }, "the watches of the Kubernetes API are not in sync",
                [op] { return op->MetricsText(); }});
}

// The API server may come up later than we do.
base::Result<std::unique_ptr<Operator>> CreatePatiently(const Options& options,
                                                        const kube::Api& api) {
  const auto until = base::RealClock().MonotonicNow() + kStartDeadline;
  for (;;) {
    auto made = Operator::Create(options, api);
    const base::Code code = made.status().code();
    const bool passing = code == base::Code::kUnavailable ||
                         code == base::Code::kDeadlineExceeded || code == base::Code::kConflict ||
                         code == base::Code::kInternal;
    if (made.ok() || !passing || base::RealClock().MonotonicNow() >= until) return made;
    base::LogWarning("not started yet; trying again", {{"error", made.status().ToString()}});
    nanosleep(&kStartRetry, nullptr);
  }
}

// Until SIGTERM or SIGINT; looks after certificates meanwhile, and gives back what lists and large
// outputs left in the heap.
void RunUntilSignal(const sigset_t& signals, Operator* op) {
  for (int trims = 1;; ++trims) {
    const int signal = sigtimedwait(&signals, nullptr, &kTrimEvery);
    if (signal == SIGTERM || signal == SIGINT) return;
    malloc_trim(0);
    op->MaintainEgress();
    if (trims % kTrimsPerMaintenance == 0) op->Maintain();
  }
}

int Run(const Options& options) {
  // Blocked before any thread starts, so that all inherit it and only sigtimedwait sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  // An arena for each thread would keep what bursts of large outputs leave behind.
  mallopt(M_ARENA_MAX, 2);
  rest::Initialize(kRestThreads);
  auto config = kube::LoadConfig(options.kubeconfig);
  if (!config.ok()) return Fail(config.status().message());
  auto transport = rest::CreateTransport(std::move(config).value());
  if (!transport.ok()) return Fail(transport.status().message());
  auto op = CreatePatiently(options, kube::Api(std::move(transport).value()));
  if (!op.ok()) return Fail(op.status().ToString());
  auto health = ServeHealth(options.health, op->get());
  if (!health.ok()) return Fail(health.status().message());
  (*op)->Start([] {
    // What our caches say may be old by now, and another operator acts: leave at once.
    base::LogError("the lead is lost; ending");
    std::_Exit(1);
  });
  base::LogInfo("running", {{"version", SANDGATE_VERSION},
                            {"health", static_cast<int64_t>((*health)->port())}});
  RunUntilSignal(signals, op->get());
  base::LogInfo("stopping");
  (*op)->Stop();
  (*health)->Stop(kGrace);
  return 0;
}

}  // namespace
}  // namespace sandgate::op

int main(int argc, char** argv) {
  using sandgate::op::Options;
  if (argc > 1 && std::string_view(argv[1]) == "audit") {
    return sandgate::op::AuditCommand({argv + 2, argv + argc}, std::cout, std::cerr);
  }
  if (argc > 1 && std::string_view(argv[1]) == "policy") {
    return sandgate::op::PolicyCommand({argv + 2, argv + argc}, std::cout, std::cerr);
  }
  const auto parsed = sandgate::op::ParseOptions({argv + 1, argv + argc});
  if (const auto* problem = std::get_if<std::string>(&parsed)) {
    std::fprintf(stderr, "sandgate-operator: %s\n\n%s", problem->c_str(), sandgate::op::kUsage);
    return 2;
  }
  const Options& options = std::get<Options>(parsed);
  if (options.help) {
    std::fputs(sandgate::op::kUsage, stdout);
    return 0;
  }
  if (options.version) {
    std::puts("sandgate-operator " SANDGATE_VERSION);
    return 0;
  }
  sandgate::base::SetLogLevelFromEnvironment();
  return sandgate::op::Run(options);
}
