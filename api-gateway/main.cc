// sandgate-gateway: reads its options, starts, waits for SIGTERM, ends.
#include <malloc.h>

#include <csignal>
#include <cstdio>

#include "api-gateway/gateway.h"
#include "api-gateway/options.h"
#include "api-gateway/tls_files.h"
#include "api-gateway/tool_call.h"
#include "libs/base/log.h"
#include "libs/http/health_server.h"
#include "libs/rest/client.h"

namespace sandgate::gateway {
namespace {

constexpr int kRestThreads = 4;
constexpr int kServerThreads = 2;
// The largest content with every character escaped (\u003c), and the other parameters; it names the
// field even for 2 MB of code. A body beyond this is refused before it is read.
constexpr size_t kMaxBodyBytes = 6 * kMaxContentBytes + 64 * 1024;
constexpr std::chrono::seconds kGrace{10};
constexpr timespec kTlsPoll{5, 0};

int Fail(const std::string& what) {
  base::LogError("cannot start", {{"error", what}});
  return 1;
}

base::Result<std::unique_ptr<http::Server>> ServeHealth(const http::Address& address,
                                                        const Gateway& gateway) {
  return http::ServeHealth(address, {[&gateway] { return gateway.Ready(); },
                                     "the watch of the Kubernetes API is not in sync",
                                     [&gateway] { return gateway.MetricsText(); }});
}

base::Result<std::unique_ptr<http::Server>> ServeApi(const http::Address& address,
                                                     http::TlsIdentity identity, Gateway* gateway) {
  http::ServerOptions options;
  options.address = address.host;
  options.port = address.port;
  options.threads = kServerThreads;
  options.server_tls.identity = std::move(identity);
  options.max_body_bytes = kMaxBodyBytes;
  return http::Server::Start(options, [gateway](http::Request request, http::Responder responder) {
    gateway->Handle(std::move(request), std::move(responder));
  });
}

// Until SIGTERM or SIGINT; takes new certificates up meanwhile.
void RunUntilSignal(const sigset_t& signals, TlsFiles* files, http::Server* server) {
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &kTlsPoll);
    if (signal == SIGTERM || signal == SIGINT) return;
    const auto identity = files->Read();
    if (!identity.ok() || !files->Changed(*identity)) continue;
    const base::Status status = server->ReloadTls({*identity, ""});
    if (status.ok()) {
      base::LogInfo("new TLS certificate in use");
    } else {
      // Certificate and key are two files: the next look may see both.
      base::LogWarning("new TLS certificate refused, the old one stays",
                       {{"error", status.message()}});
    }
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

  // An arena for each thread would keep what bursts of large bodies leave behind.
  mallopt(M_ARENA_MAX, 2);
  rest::Initialize(kRestThreads);
  TlsFiles files(options.tls_cert, options.tls_key);
  auto identity = files.Read();
  if (!identity.ok()) return Fail(identity.status().message());
  files.SetKnown(*identity);
  auto config = kube::LoadConfig(options.kubeconfig);
  if (!config.ok()) return Fail(config.status().message());
  auto transport = rest::CreateTransport(std::move(config).value());
  if (!transport.ok()) return Fail(transport.status().message());

  GatewayOptions gateway_options;
  gateway_options.auth.required_audience = options.required_audience;
  Gateway gateway(kube::Api(std::move(transport).value()), gateway_options);
  gateway.Start();
  auto health = ServeHealth(options.health, gateway);
  if (!health.ok()) return Fail(health.status().message());
  auto server = ServeApi(options.listen, std::move(identity).value(), &gateway);
  if (!server.ok()) return Fail(server.status().message());
  base::LogInfo("serving", {{"version", SANDGATE_VERSION},
                            {"port", static_cast<int64_t>((*server)->port())},
                            {"health", static_cast<int64_t>((*health)->port())}});

  RunUntilSignal(signals, &files, server->get());
  base::LogInfo("stopping");
  gateway.Stop();  // those who wait are told where to ask again
  (*server)->Stop(kGrace);
  (*health)->Stop(kGrace);
  return 0;
}

}  // namespace
}  // namespace sandgate::gateway

int main(int argc, char** argv) {
  using sandgate::gateway::Options;
  const auto parsed = sandgate::gateway::ParseOptions({argv + 1, argv + argc});
  if (const auto* problem = std::get_if<std::string>(&parsed)) {
    std::fprintf(stderr, "sandgate-gateway: %s\n\n%s", problem->c_str(), sandgate::gateway::kUsage);
    return 2;
  }
  const Options& options = std::get<Options>(parsed);
  if (options.help) {
    std::fputs(sandgate::gateway::kUsage, stdout);
    return 0;
  }
  if (options.version) {
    std::puts("sandgate-gateway " SANDGATE_VERSION);
    return 0;
  }
  sandgate::base::SetLogLevelFromEnvironment();
  return sandgate::gateway::Run(options);
}
