// The one way out that a run may be given, and the question whether a pod has another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/api/json.h"
#include "libs/base/status.h"

namespace sandgate::api {

inline constexpr size_t kMaxRunDomains = 64;
inline constexpr size_t kMaxRunGrantBytes = 8 * 1024;
inline constexpr size_t kMaxCaBundleBytes = 512 * 1024;

// Of a RunRequest, where the run was admitted with network. The code sees neither the grant nor the
// proxy: its runner adds the one and speaks to the other (libs/egress/protocol.h).
struct RunNetwork {
  std::string proxy;                 // "10.96.0.7:8443": a sandbox has no DNS
  std::string grant;                 // a token of libs/egress/grant.h; a secret
  std::vector<std::string> domains;  // of the grant: the run's own /etc/hosts names those without *
  std::string ca_bundle;  // PEM: authorities the code trusts beside its image's; may be ""

  bool operator==(const RunNetwork&) const = default;
};

Json ToJson(const RunNetwork& network);
// kInvalidArgument names the member ("network.proxy: ...").
base::Result<RunNetwork> RunNetworkFromJson(const Json& json);

// POST /v1/probe: the runner, outside of any run's namespaces, tries one TCP connection from the
// pod's own network. Whoever listens there knows for sure whether it arrived; the answer only tells
// that it was tried.
struct ProbeRequest {
  std::string address;         // "10.244.0.9:8082", an IP literal
  int64_t timeout_millis = 0;  // 1 to kMaxProbeMillis
};
inline constexpr int64_t kMaxProbeMillis = 10'000;

enum class ProbeOutcome { kConnected, kTimedOut, kRefused, kUnreachable };
const char* ProbeOutcomeName(ProbeOutcome outcome);  // "Connected"

Json ToJson(const ProbeRequest& request);
base::Result<ProbeRequest> ProbeRequestFromJson(const Json& json);
Json ProbeOutcomeToJson(ProbeOutcome outcome);  // {"outcome": "Connected"}
base::Result<ProbeOutcome> ProbeOutcomeFromJson(const Json& json);

}  // namespace sandgate::api
