// What the parts of the Execution's logic share: the moment they decide about, and how an
// Execution is brought to its end. Pure.
#pragma once

#include "operator/execution_logic.h"

namespace sandgate::op {

using ExecutionStep = std::optional<ExecutionPlan>;

struct ExecutionContext {
  const ExecutionObserved& seen;
  const policy::Policy& policy;
  const Settings& settings;
  base::Time now;

  const api::Execution& execution() const { return *seen.execution; }
  const api::ExecutionSpec& spec() const { return seen.execution->spec; }
  const api::ExecutionStatus& status() const { return seen.execution->status; }
  base::Time created() const { return execution().meta.creation_time.value_or(now); }
  // Ready, and with everything a claim needs.
  bool SandboxReady() const;
  // That the Execution would run under; the Sandbox's own once it has them.
  base::Result<api::EffectiveLimits> Limits() const;
  // That the run would get under those limits.
  RunDomains Domains(const api::EffectiveLimits& limits) const;
  // The policy's judgement of what would really run: with the domains that it would get.
  policy::Assessment Assess() const;
  // Of what would run now; "" when it must not run.
  std::string Hash(const api::EffectiveLimits& limits, const std::string& policy_revision) const;
  // The Approval, if it is about this very Execution.
  const api::Approval* OwnApproval() const;
};

// Ends the Execution: an Approval that is still open is settled first, so that nobody decides about
// something that is over.
ExecutionPlan End(const ExecutionContext& c, api::ExecutionPhase phase, const std::string& code,
                  const std::string& message);

ExecutionPlan WaitFor(std::optional<base::Time> again_at = std::nullopt);

// For the agent; the operator's log says more.
extern const char kAuditUnavailable[];

// Marks `status` as final.
void Finish(api::ExecutionStatus* status, api::ExecutionPhase phase, const std::string& message,
            const ExecutionContext& c);

// Admits by `by` with that hash: claims at once where the sandbox is free and the network of a run
// that wants it is there, else waits as Admitted.
ExecutionPlan AdmitBy(const ExecutionContext& c, api::ExecutionStatus status, const char* by,
                      const std::string& hash, const std::string& policy_revision);

// While the API server's rules about approvals are not in force, nothing above LOW goes on; while
// the audit log takes no record, nothing does. Holds until `until`, then ends the Execution.
// nullopt: neither stands in the way.
ExecutionStep HoldForGuard(const ExecutionContext& c, api::RiskLevel risk, base::Time until);

// What is known to stand in the way of a run with network, whichever it is: nobody is asked then.
std::optional<Refusal> RefusedNetwork(const ExecutionContext& c);
// Nothing does, or no network is wanted.
bool NetworkReady(const ExecutionContext& c);
// Until it is ready: shows why in the condition NetworkReady, then waits, and ends the Execution
// when that takes too long.
ExecutionStep HoldForNetwork(const ExecutionContext& c);

// After this moment the runner must have ended the run by itself; if we still do not know, we never
// shall.
base::Time LostAt(const ExecutionContext& c, const api::EffectiveLimits& limits);

// The phases, one by one.
ExecutionPlan Begin(const ExecutionContext& c);          // new, or Pending
ExecutionPlan AwaitDecision(const ExecutionContext& c);  // AwaitingApproval
ExecutionPlan AwaitTurn(const ExecutionContext& c);      // Admitted
ExecutionPlan AwaitEnd(const ExecutionContext& c);       // Running

}  // namespace sandgate::op
