#include "runner/serve.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <limits>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/http/server.h"
#include "runner/identity.h"
#include "runner/run_service.h"

namespace sandgate::runner {
namespace {

// The operator's leader, the one before it, and probes: no one else gets past the handshake.
constexpr size_t kMaxConnections = 64;
constexpr std::chrono::milliseconds kStopGrace{1'000};

int Fail(const char* step, const base::Status& status) {
  base::LogError(step, {{"error", status.ToString()}});
  return 1;
}

// Before any thread starts, so that all of them inherit it: SIGCHLD goes to who waits for a run,
// the others to this file.
sigset_t BlockSignals() {
  sigset_t all, stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  all = stop;
  sigaddset(&all, SIGCHLD);
  sigaddset(&all, SIGPIPE);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  return stop;
}

// The key lives in this process' memory: no core file, no look into it.
void ProtectMemory() {
  const rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) {
    base::LogWarning("cannot protect the runner's memory");
  }
}

// A run with network may have many connections, of two descriptors each.
void AllowDescriptors() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) base::LogWarning("cannot open many descriptors");
}

// Under gVisor a thread's stack takes memory in large pieces, up to its size; no thread of this
// program goes deep.
void ShrinkStacks() {
  constexpr size_t kStackBytes = 256 * 1024;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (pthread_attr_setstacksize(&attributes, kStackBytes) != 0 ||
      pthread_setattr_default_np(&attributes) != 0) {
    base::LogWarning("cannot make stacks small");
  }
  pthread_attr_destroy(&attributes);
}

// Gives back what the start made of this thread's own stack; from here on it only waits.
void ReleaseStack() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void* low = nullptr;
  size_t size = 0;
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  constexpr size_t kKept = 64 * 1024;
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto from = (reinterpret_cast<uintptr_t>(low) + page - 1) & ~(page - 1);
  const auto to = (here - kKept) & ~(page - 1);
  // Where the stack is not that large yet, there is less to give back.
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

int64_t DiskBytes(const ServeOptions& options) {
  if (options.disk_bytes > 0) return options.disk_bytes;
  struct statvfs info = {};
  if (statvfs(options.workspace.c_str(), &info) != 0) return 0;
  const auto blocks = static_cast<uint64_t>(info.f_blocks);
  if (blocks > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / info.f_frsize) return 0;
  return static_cast<int64_t>(blocks * info.f_frsize);
}

http::ServerOptions ServerOptionsFor(const ServeOptions& options, const RunnerIdentity& identity) {
  http::ServerOptions server;
  server.address = options.address;
  server.port = options.port;
  server.server_tls = {identity.tls, identity.ca_pem};
  server.max_connections = kMaxConnections;
  server.max_body_bytes = api::kMaxRunRequestBytes;
  return server;
}

}  // namespace

int Serve(const ServeOptions& options) {
  // OpenSSL would read the configuration of the language's image, which may ask for modules.
  setenv("OPENSSL_CONF", "/dev/null", 1);
  const sigset_t stop_signals = BlockSignals();
  ProtectMemory();
  AllowDescriptors();
  ShrinkStacks();
  base::Result<RunnerIdentity> identity = TakeIdentity(options.identity);
  if (!identity.ok()) return Fail("cannot take the identity", identity.status());
  base::Result<Spawner> spawner = Spawner::Create();
  if (!spawner.ok()) return Fail("cannot prepare runs", spawner.status());
  auto supervisor = RunSupervisor::Create({options.workspace, DiskBytes(options), *identity},
                                          std::move(spawner).value());
  if (!supervisor.ok()) return Fail("cannot prepare runs", supervisor.status());

  const api::RunnerInfo info{base::RandomUuid(), SANDGATE_VERSION, options.sandbox_uid};
  // Processes that outlive their run end the sandbox: as pid 1 this takes them all.
  RunService service(info, {}, std::move(supervisor).value(), [] { _exit(1); });
  auto server = http::Server::Start(ServerOptionsFor(options, *identity),
                                    [&service](http::Request request, http::Responder responder) {
                                      service.Handle(std::move(request), std::move(responder));
                                    });
  if (!server.ok()) return Fail("cannot listen", server.status());
  base::LogInfo("runner ready", {{"sandboxUid", options.sandbox_uid},
                                 {"bootId", info.boot_id},
                                 {"port", static_cast<int>((*server)->port())}});
  ReleaseStack();
  int signal = 0;
  sigwait(&stop_signals, &signal);
  base::LogInfo("runner stops", {{"signal", signal}});
  service.Stop();
  (*server)->Stop(kStopGrace);
  return 0;
}

}  // namespace sandgate::runner
