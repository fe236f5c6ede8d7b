// What a deployment may set, and the limits nobody may.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sandgate::op {

// Labels, annotations and names that other parts (admission policies, NetworkPolicies) key on.
inline constexpr char kSandboxLabel[] = "sandgate.dev/sandbox";
inline constexpr char kNetworkLabel[] = "sandgate.dev/network";
inline constexpr char kManagedByLabel[] = "app.kubernetes.io/managed-by";
inline constexpr char kManagedBy[] = "sandgate-operator";
inline constexpr char kEffectiveAnnotation[] = "sandgate.dev/effective";
inline constexpr char kPodPrefix[] = "sgsb-";
inline constexpr char kIsolationPolicy[] = "sandgate-sandboxes";
inline constexpr char kNetworkPolicy[] = "sandgate-sandboxes-network";
inline constexpr char kCaSecret[] = "sandgate-ca";
inline constexpr char kGatewayTlsSecret[] = "sandgate-gateway-tls";
inline constexpr char kNetworkIsolatedCondition[] = "NetworkIsolated";  // of a Sandbox
inline constexpr char kNetworkReadyCondition[] = "NetworkReady";        // of an Execution
inline constexpr char kEgressTlsSecret[] = "sandgate-egress-tls";
inline constexpr char kEgressSigningSecret[] = "sandgate-egress-signing";
inline constexpr char kEgressKeysConfigMap[] = "sandgate-egress-keys";
inline constexpr char kCanary[] = "sandgate-canary";
inline constexpr char kApprovalsPolicy[] = "sandgate-approvals";

inline constexpr size_t kInlineOutputBytes = 32 * 1024;
inline constexpr size_t kConfigMapBytes = 768 * 1024;
inline constexpr std::chrono::seconds kSandboxWait{60};  // for a Sandbox that does not exist yet
inline constexpr std::chrono::seconds kApprovalNameWait{60};  // for a namesake's Approval to go
inline constexpr std::chrono::seconds kRunGrace{30};  // beyond a run's own deadline: then Lost
inline constexpr std::chrono::milliseconds kKillGrace{2'000};  // from SIGTERM to SIGKILL
// What one run may send and receive, all its connections together, through one egress proxy.
inline constexpr uint64_t kRunEgressBytes = 4ULL << 30;
inline constexpr std::chrono::seconds kCertificateLifetime{90LL * 24 * 3600};

struct Settings {
  std::string ns = "sandgate-system";  // the operator's own
  std::string user = "system:serviceaccount:sandgate-system:sandgate-operator";
  std::string image = "sandgate/sandgate:0.1.0";  // holds the runner
  std::string pull_policy = "IfNotPresent";
  std::vector<std::string> pull_secrets;

  // What the scheduler reserves for a sandbox; its limits are far above that.
  int64_t request_cpu_millis = 50;
  int64_t request_memory_bytes = 128LL << 20;
  // A spike in memory outruns any polling: this much is added for every half CPU.
  int64_t overhead_bytes = 128LL << 20;

  std::chrono::seconds ready_deadline{300};
  std::chrono::seconds idle_timeout{1800};  // where the Sandbox names none; 0: never
  std::chrono::seconds ttl{86'400};         // where the Sandbox names none; 0: never
  std::chrono::seconds finished_ttl{3600};  // of Executions

  // Runs with network start only where NetworkIsolated is True; else wherever it is not False.
  bool require_isolation = false;

  // Limits that protect others, per namespace unless said otherwise.
  size_t open_approvals_per_requester = 20;
  size_t active_executions = 500;
  size_t queue_per_sandbox = 32;
};

}  // namespace sandgate::op
