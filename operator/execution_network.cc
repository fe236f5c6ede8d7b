// What an Execution that wants network waits for, and what refuses it.
#include <algorithm>

#include "operator/execution_context.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;
using State = EgressView::State;

// How often the Service and the keys are looked at again, and how long a run waits for them.
constexpr std::chrono::seconds kNetworkRetry{2};
constexpr std::chrono::seconds kNetworkWait{60};

Refusal NotIsolated(const ExecutionContext& c) {
  const api::Condition* isolated =
      api::FindCondition(c.seen.sandbox->status.conditions, kNetworkIsolatedCondition);
  std::string message =
      "NetworkPolicies are not enforced for this Sandbox, so no run in it can be granted network";
  if (isolated != nullptr && !isolated->message.empty()) message += ": " + isolated->message;
  return {"NetworkNotIsolated", message};
}

// What does not pass while the run waits for it.
std::optional<Refusal> Forbidden(const ExecutionContext& c) {
  const auto limits = c.Limits();
  if (!limits.ok()) return Refusal{"SandboxInvalid", limits.status().message()};
  if (RunDomains run = c.Domains(*limits); run.refused) return run.refused;
  if (IsolationOf(*c.seen.sandbox) == Isolation::kOpen) return NotIsolated(c);
  if (c.seen.egress.state != State::kOff) return std::nullopt;
  return Refusal{"NetworkUnavailable", c.seen.egress.problem};
}

// What comes by itself is there: the way out, and the measure of what holds the Sandbox.
bool Prepared(const ExecutionContext& c) {
  if (c.seen.egress.state != State::kReady) return false;
  return !c.settings.require_isolation || IsolationOf(*c.seen.sandbox) == Isolation::kEnforced;
}

// Why it is not prepared; only while it is not, and nothing forbids it.
Refusal WhyNotReady(const ExecutionContext& c) {
  if (c.seen.egress.state != State::kReady) return {"NetworkUnavailable", c.seen.egress.problem};
  return {"NetworkNotIsolated",
          "It is not known yet whether NetworkPolicies are enforced for this Sandbox."};
}

}  // namespace

RunDomains ExecutionContext::Domains(const api::EffectiveLimits& limits) const {
  return DomainsFor(spec(), limits, policy.sandbox());
}

policy::Assessment ExecutionContext::Assess() const {
  // Of an install the policy knows the domains by itself.
  if (!spec().network_enabled || spec().operation == api::Operation::kInstallPackage) {
    return policy.Assess(policy::CallOf(spec()));
  }
  const auto limits = Limits();
  const RunDomains run = limits.ok() ? Domains(*limits) : RunDomains{};
  return policy.Assess(
      policy::CallOf(spec(), run.domains.empty() ? spec().allowed_domains : run.domains));
}

std::string ExecutionContext::Hash(const api::EffectiveLimits& limits,
                                   const std::string& policy_revision) const {
  const RunDomains run = Domains(limits);
  if (run.refused) return "";
  return AdmissionHash(execution(), *seen.sandbox, limits, run.domains, policy_revision);
}

std::optional<Refusal> RefusedNetwork(const ExecutionContext& c) {
  if (!WantsNetwork(c.spec())) return std::nullopt;
  if (auto forbidden = Forbidden(c)) return forbidden;
  if (c.seen.egress.state != State::kBroken) return std::nullopt;
  return WhyNotReady(c);
}

bool NetworkReady(const ExecutionContext& c) {
  return !WantsNetwork(c.spec()) || (Prepared(c) && !Forbidden(c));
}

ExecutionStep HoldForNetwork(const ExecutionContext& c) {
  if (!WantsNetwork(c.spec())) return std::nullopt;
  if (const auto forbidden = Forbidden(c)) {
    return End(c, ExecutionPhase::kFailed, forbidden->code, forbidden->message);
  }
  if (Prepared(c)) return std::nullopt;
  const Refusal why = WhyNotReady(c);
  const api::Condition* shown = api::FindCondition(c.status().conditions, kNetworkReadyCondition);
  const bool waits = shown != nullptr && shown->status == "False";
  const base::Time until = (waits ? shown->last_transition.value_or(c.now) : c.now) + kNetworkWait;
  if (c.now >= until) return End(c, ExecutionPhase::kFailed, why.code, why.message);
  api::ExecutionStatus status = c.status();
  if (!api::SetCondition(&status.conditions,
                         {kNetworkReadyCondition, "False", why.code, why.message, std::nullopt},
                         c.now)) {
    return WaitFor(std::min(until, c.now + kNetworkRetry));
  }
  if (!status.phase) status.phase = ExecutionPhase::kPending;
  return ExecutionPlan{WriteStatus{std::move(status)}, std::nullopt};
}

}  // namespace sandgate::op
