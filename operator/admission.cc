#include "operator/admission.h"

#include "libs/api/spec_hash.h"
#include "operator/install_logic.h"
#include "operator/network_logic.h"
#include "operator/settings.h"

namespace sandgate::op {
namespace {

base::Status No(const char* why) {
  return base::Status(base::Code::kPermissionDenied, why);
}

base::Status CheckExecution(const api::Execution& execution) {
  const api::ExecutionStatus& status = execution.status;
  if (status.phase != api::ExecutionPhase::kRunning) return No("the Execution is not Running");
  if (!status.admission) return No("the Execution was not admitted");
  if (!status.claim) return No("the Execution has no claim");
  if (execution.spec.cancel) return No("the Execution is cancelled");
  if (execution.meta.deleting()) return No("the Execution is being deleted");
  if (!status.start_time) return No("the Execution has no start time");
  return base::Status::Ok();
}

base::Status CheckSandbox(const api::Execution& execution, const api::Sandbox& sandbox) {
  if (sandbox.meta.name != execution.spec.sandbox_name || sandbox.meta.ns != execution.meta.ns) {
    return No("the Sandbox is another one");
  }
  if (sandbox.meta.deleting()) return No("the Sandbox is being deleted");
  if (sandbox.status.phase != api::SandboxPhase::kReady || !sandbox.status.effective) {
    return No("the Sandbox is not Ready");
  }
  const api::Claim& claim = *execution.status.claim;
  if (claim.pod_uid != sandbox.status.pod_uid) return No("the claim is for another pod");
  if (claim.runner_boot_id != sandbox.status.runner_boot_id) {
    return No("the claim is for another start of the runner");
  }
  return base::Status::Ok();
}

api::RunRequest RequestFor(const api::Execution& execution, const api::EffectiveLimits& limits) {
  const api::ExecutionSpec& spec = execution.spec;
  api::RunRequest request;
  request.boot_id = execution.status.claim->runner_boot_id;
  request.operation = spec.operation;
  request.language = spec.language;
  request.code = spec.code;
  request.timeout_millis = TimeoutSeconds(spec, limits) * 1000;
  request.grace_millis = kKillGrace.count();
  request.memory_bytes = limits.memory_bytes;
  request.output_bytes = limits.output_bytes;
  request.path = spec.path;
  request.content = spec.content;
  request.append = spec.append;
  request.mode = api::ParseFileMode(spec.mode);
  request.limit = spec.limit.value_or(api::kDefaultListLimit);
  request.cursor = spec.cursor;
  return request;
}

}  // namespace

std::string AdmissionHash(const api::Execution& execution, const api::Sandbox& sandbox,
                          const api::EffectiveLimits& limits,
                          const std::vector<std::string>& domains,
                          const std::string& policy_revision) {
  return api::SpecHash(execution, sandbox.meta.uid, limits, policy_revision, domains);
}

int64_t TimeoutSeconds(const api::ExecutionSpec& spec, const api::EffectiveLimits& limits) {
  return spec.timeout_seconds.value_or(limits.timeout_seconds);
}

base::Time RunDeadline(base::Time start, const api::ExecutionSpec& spec,
                       const api::EffectiveLimits& limits) {
  return start + std::chrono::seconds(TimeoutSeconds(spec, limits)) + kKillGrace;
}

base::Result<Admitted> Admit(const api::Execution& execution, const api::Sandbox& sandbox,
                             const policy::SandboxSettings& settings) {
  if (const base::Status status = CheckExecution(execution); !status.ok()) return status;
  if (const base::Status status = CheckSandbox(execution, sandbox); !status.ok()) return status;
  const api::EffectiveLimits& limits = *sandbox.status.effective;
  const api::Admission& admission = *execution.status.admission;
  RunDomains run = DomainsFor(execution.spec, limits, settings);
  if (run.refused) return No(run.refused->message.c_str());
  if (run.domains != admission.domains ||
      AdmissionHash(execution, sandbox, limits, run.domains, admission.policy_revision) !=
          admission.spec_hash) {
    return No("what would run is not what was admitted");
  }
  Admitted admitted;
  admitted.claim_ = *execution.status.claim;
  admitted.sandbox_uid_ = sandbox.meta.uid;
  admitted.pod_ip_ = sandbox.status.pod_ip;
  admitted.request_ = RequestFor(execution, limits);
  admitted.request_.install = InstallRequestFor(execution.spec, sandbox.spec, settings);
  admitted.ns_ = execution.meta.ns;
  admitted.execution_ = execution.meta.name;
  admitted.domains_ = std::move(run.domains);
  admitted.start_ = *execution.status.start_time;
  admitted.deadline_ = RunDeadline(admitted.start_, execution.spec, limits);
  return admitted;
}

}  // namespace sandgate::op
