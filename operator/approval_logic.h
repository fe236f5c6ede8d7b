// The question to the human, and what the answer is worth. Pure.
#pragma once

#include "libs/api/approval.h"
#include "operator/execution_context.h"

namespace sandgate::op {

// Why an Approval cannot count for this Execution as it stands now, whatever was decided: other
// code, another Sandbox, another policy. nullopt: it is about exactly this.
std::optional<std::string> WhyVoid(const ExecutionContext& c, const api::Approval& approval);

// Why a decision cannot count because of who made it. nullopt: it can.
std::optional<std::string> WhyNotTheirs(const api::Execution& execution,
                                        const api::Approval& approval);

// What follows from other runs in the sandbox since the question was asked: the approver is shown
// it, once; or, by security.hitl.void_on_workspace_change, the Approval no longer counts. nullopt:
// nothing (more) follows.
ExecutionStep WhenWorkspaceChanged(const ExecutionContext& c, const api::Approval& approval);

}  // namespace sandgate::op
