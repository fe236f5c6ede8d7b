// The objects of a sandbox, as JSON. Pure; the isolation rests on what stands here, so every line
// of it is a test.
#pragma once

#include <string>
#include <vector>

#include "libs/api/sandbox.h"
#include "libs/http/tls.h"
#include "operator/settings.h"

namespace sandgate::op {

std::string PodName(const std::string& sandbox_name);  // "sgsb-<sandbox>"
// Named by UID, so that one of that name is always this very sandbox's.
std::string RunnerSecretName(const std::string& sandbox_uid);

// The pod: gVisor, Pod Security "restricted", memory and CPU limits on every container.
api::Json BuildPod(const api::Sandbox& sandbox, const api::EffectiveLimits& limits,
                   const std::string& runtime_class, const Settings& settings);

// The runner's certificate and the authority it trusts. Immutable.
api::Json BuildRunnerSecret(const api::Sandbox& sandbox, const http::TlsIdentity& identity,
                            const std::string& ca_pem);

// The namespace's two NetworkPolicies. `sandgate-sandboxes` selects every sandbox: ingress from the
// operator to the runner's port, egress nothing. `sandgate-sandboxes-network` selects those that
// may be granted network: egress to the egress proxy's port as well (policies add up).
std::vector<api::Json> BuildNetworkPolicies(const std::string& ns, const Settings& settings);

}  // namespace sandgate::op
