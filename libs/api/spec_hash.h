// What an approval is bound to.
#pragma once

#include <string>

#include "libs/api/execution.h"
#include "libs/api/sandbox.h"

namespace sandgate::api {

// SHA-256, lower-case hex, over a version tag, the Execution's UID and the typed canonical form of
// its spec (without `cancel`), the Sandbox's UID, image, effective limits and domains, and the
// policy's revision, and the domains that a run with network is granted. Every member is written
// with its name and length, so no two different inputs have the same canonical form.
std::string SpecHash(const Execution& execution, const std::string& sandbox_uid,
                     const EffectiveLimits& limits, const std::string& policy_revision,
                     const std::vector<std::string>& granted_domains = {});

}  // namespace sandgate::api
