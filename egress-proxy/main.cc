// sandgate-egress: reads its options, starts, waits for SIGTERM, drains, ends.
#include <malloc.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>

#include "egress-proxy/mounted_files.h"
#include "egress-proxy/options.h"
#include "egress-proxy/proxy.h"
#include "libs/base/log.h"
#include "libs/http/health_server.h"

namespace sandgate::egress {
namespace {

constexpr timespec kReloadEvery{2, 0};
constexpr int kTrimEvery = 30;  // reloads
constexpr std::chrono::seconds kHealthGrace{2};
constexpr rlim_t kOtherDescriptors = 128;

int Fail(const std::string& what) {
  base::LogError("cannot start", {{"error", what}});
  return 1;
}

// Two descriptors a connection: what the system does not give is not promised.
void FitDescriptors(ProxyLimits* limits) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const rlim_t most =
      files.rlim_cur > kOtherDescriptors ? (files.rlim_cur - kOtherDescriptors) / 2 : 1;
  if (limits->max_connections <= most) return;
  base::LogWarning("fewer connections than asked for: the limit of open files is too low",
                   {{"connections", static_cast<uint64_t>(most)}});
  limits->max_connections = static_cast<size_t>(most);
}

// Takes up what changed on disk. What cannot be used is said once for each change, and what was in
// use stays.
class Reloader {
 public:
  Reloader(const Options& options, Proxy* proxy, Metrics* metrics)
      : options_(options), proxy_(proxy), metrics_(metrics) {}

  void SetKnownTls(const http::ServerTls& tls) { tls_ = FingerprintOf(tls); }
  void Reload() {
    ReloadTls();
    ReloadKeys();
  }
  // Whether there is a key to believe.
  bool ready() const { return has_keys_; }

 private:
  void Took(const char* what, const base::Status& status) {
    metrics_->CountReload(status.ok());
    if (status.ok()) {
      base::LogInfo("loaded", {{"what", what}});
    } else {
      base::LogWarning("not loaded; the last good ones stay",
                       {{"what", what}, {"error", status.message()}});
    }
  }

  void ReloadTls() {
    const auto tls = ReadTlsFiles(options_.tls_dir, options_.client_ca);
    const std::string seen = tls.ok() ? FingerprintOf(*tls) : tls.status().message();
    if (seen == tls_) return;
    tls_ = seen;
    Took("certificates", tls.ok() ? proxy_->SetTls(*tls) : tls.status());
  }

  void ReloadKeys() {
    const auto keys = ReadKeyFiles(options_.keys_dir);
    const std::string seen = keys.ok() ? FingerprintOf(*keys) : keys.status().message();
    if (seen == keys_) return;
    keys_ = seen;
    const base::Status taken = keys.ok() ? proxy_->SetKeys(*keys) : keys.status();
    Took("grant keys", taken);
    if (taken.ok()) has_keys_ = !keys->empty();
  }

  const Options& options_;
  Proxy* const proxy_;
  Metrics* const metrics_;
  std::string tls_;
  std::string keys_;
  std::atomic<bool> has_keys_{false};
};

void RunUntilSignal(const sigset_t& signals, Reloader* reloader) {
  for (int rounds = 1;; ++rounds) {
    const int signal = sigtimedwait(&signals, nullptr, &kReloadEvery);
    if (signal == SIGTERM || signal == SIGINT) return;
    reloader->Reload();
    if (rounds % kTrimEvery == 0) malloc_trim(0);
  }
}

ProxyOptions ProxyOptionsOf(const Options& options) {
  ProxyOptions proxy;
  proxy.listen = options.listen;
  proxy.threads = options.threads > 0
                      ? options.threads
                      : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  proxy.limits = options.limits;
  FitDescriptors(&proxy.limits);
  proxy.exceptions = options.allowed_private;
  proxy.cluster = options.cluster;
  proxy.resolver = options.resolver;
  return proxy;
}

int Run(const Options& options) {
  // Blocked before any thread starts, so that all inherit it and only sigtimedwait sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  const auto tls = ReadTlsFiles(options.tls_dir, options.client_ca);
  if (!tls.ok()) return Fail(tls.status().message());
  Metrics metrics;
  auto proxy = Proxy::Start(ProxyOptionsOf(options), *tls, &metrics);
  if (!proxy.ok()) return Fail(proxy.status().message());
  Reloader reloader(options, proxy->get(), &metrics);
  reloader.SetKnownTls(*tls);
  reloader.Reload();
  std::atomic<bool> draining{false};
  auto health = http::ServeHealth(options.health, {[&] { return reloader.ready() && !draining; },
                                                   "no public key of grants yet, or about to end",
                                                   [&] { return metrics.Text(); }});
  if (!health.ok()) return Fail(health.status().message());
  base::LogInfo("running", {{"version", SANDGATE_VERSION},
                            {"port", static_cast<int64_t>((*proxy)->port())},
                            {"health", static_cast<int64_t>((*health)->port())}});
  RunUntilSignal(signals, &reloader);
  base::LogInfo("stopping");
  draining = true;
  (*proxy)->Stop(options.drain);
  (*health)->Stop(kHealthGrace);
  base::LogInfo("stopped");
  return 0;
}

}  // namespace
}  // namespace sandgate::egress

int main(int argc, char** argv) {
  using sandgate::egress::Options;
  const auto parsed = sandgate::egress::ParseOptions({argv + 1, argv + argc});
  if (const auto* problem = std::get_if<std::string>(&parsed)) {
    std::fprintf(stderr, "sandgate-egress: %s\n\n%s", problem->c_str(), sandgate::egress::kUsage);
    return 2;
  }
  const Options& options = std::get<Options>(parsed);
  if (options.help) {
    std::fputs(sandgate::egress::kUsage, stdout);
    return 0;
  }
  if (options.version) {
    std::puts("sandgate-egress " SANDGATE_VERSION);
    return 0;
  }
  sandgate::base::SetLogLevelFromEnvironment();
  return sandgate::egress::Run(options);
}
