// A moment in the life of a run that wants network.
#pragma once

#include "operator/network_logic.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {

using Names = std::vector<std::string>;

// A run that wants network and may have it, under a policy that asks nobody.
inline Moment Networked(const Names& ceiling = {"example.com"},
                        const Names& domains = {"example.com"}) {
  Moment m;
  m.policy = AutoPolicy();
  m.WantNetwork(ceiling, domains);
  return m;
}

inline void SetIsolated(Moment* m, const char* status, const char* message = "") {
  api::SetCondition(&m->sandbox.status.conditions,
                    {kNetworkIsolatedCondition, status, "Probe", message, std::nullopt}, kStart);
}

}  // namespace sandgate::op
