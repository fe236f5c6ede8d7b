// The question as it is put to the human. Pure.
#pragma once

#include "libs/api/approval.h"
#include "operator/execution_context.h"

namespace sandgate::op {

// What is asked. `limits` are the Sandbox's effective ones; the history is what ran there before.
api::ApprovalRequest BuildRequest(const ExecutionContext& c, const policy::Assessment& assessment,
                                  const api::EffectiveLimits& limits,
                                  const SandboxHistory& history);

}  // namespace sandgate::op
