#include "operator/isolation_logic.h"

#include <algorithm>

#include "operator/settings.h"

namespace sandgate::op {
namespace {

using api::Json;
using Labels = std::map<std::string, std::string>;

bool Contains(const Json& list, const std::string& value) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Json& item) { return item.is_string() && item == value; });
}

// As Kubernetes' own: NotIn holds where the key is absent. An operator that is new to us holds.
bool Holds(const Json& expression, const Labels& labels) {
  const auto found = labels.find(api::StringOr(expression, "key"));
  const bool there = found != labels.end();
  const std::string op = api::StringOr(expression, "operator");
  const Json& values = api::Member(expression, "values");
  if (op == "In") return there && Contains(values, found->second);
  if (op == "NotIn") return !there || !Contains(values, found->second);
  if (op == "Exists") return there;
  if (op == "DoesNotExist") return !there;
  return true;
}

bool Selects(const Json& selector, const Labels& labels) {
  const Json& wanted = api::Member(selector, "matchLabels");
  if (!wanted.is_object() && !wanted.is_null()) return true;
  for (auto it = wanted.begin(); it != wanted.end(); ++it) {
    const auto found = labels.find(it.key());
    if (found == labels.end() || !it->is_string() || *it != found->second) return false;
  }
  const Json& expressions = api::Member(selector, "matchExpressions");
  return std::all_of(expressions.begin(), expressions.end(),
                     [&](const Json& one) { return Holds(one, labels); });
}

bool Ours(const std::string& name) {
  return name == kIsolationPolicy || name == kNetworkPolicy;
}

bool Allows(const Json& spec, const char* rules, const char* type) {
  return !api::Member(spec, rules).empty() && Contains(api::Member(spec, "policyTypes"), type);
}

const IsolationVerdict& Enforced() {
  static const IsolationVerdict verdict{
      Isolation::kEnforced, "PolicyEnforced",
      "A connection from a sandbox's pod to the operator, which its NetworkPolicy forbids, did not "
      "arrive."};
  return verdict;
}

IsolationVerdict Open(const ForeignPolicies& foreign) {
  if (foreign.allow_egress) {
    return {Isolation::kOpen, "OtherPolicyAllows",
            "The sandbox's pod reaches the operator: a NetworkPolicy that is not Sandgate's allows "
            "it more."};
  }
  return {Isolation::kOpen, "PolicyNotEnforced",
          "The sandbox's pod reaches the operator although its NetworkPolicy forbids it: the "
          "cluster's network plugin does not enforce NetworkPolicies."};
}

}  // namespace

ForeignPolicies FindForeignPolicies(const std::vector<Json>& policies, const Labels& pod_labels) {
  ForeignPolicies found;
  for (const Json& policy : policies) {
    const std::string name = api::StringOr(api::Member(policy, "metadata"), "name");
    const Json& spec = api::Member(policy, "spec");
    const bool egress = Allows(spec, "egress", "Egress");
    const bool ingress = Allows(spec, "ingress", "Ingress");
    if (Ours(name) || (!egress && !ingress)) continue;
    if (!Selects(api::Member(spec, "podSelector"), pod_labels)) continue;
    found.allow_egress |= egress;
    ++found.count;
    if (found.names.size() < kMaxPoliciesNamed) found.names.push_back(name);
  }
  return found;
}

std::optional<IsolationVerdict> Judge(const ProbeAttempt& attempt, const ForeignPolicies& foreign,
                                      base::Duration since) {
  const bool patient = since < kEnforcementPatience;
  const bool connected = attempt.said.ok() && *attempt.said == api::ProbeOutcome::kConnected;
  if (attempt.arrived || connected) {
    if (patient) return std::nullopt;
    return Open(foreign);
  }
  if (!attempt.said.ok()) {
    if (patient) return std::nullopt;
    return IsolationVerdict{Isolation::kUnknown, "ProbeFailed",
                            "The sandbox's runner could not be asked to try a connection: " +
                                attempt.said.status().message()};
  }
  if (!attempt.heard_self) {
    if (patient) return std::nullopt;
    return IsolationVerdict{Isolation::kUnknown, "NotListening",
                            "The operator does not reach its own probe address, so that nothing "
                            "arrives from a sandbox shows nothing."};
  }
  return Enforced();
}

base::Duration ProbePause(base::Duration since) {
  return std::clamp<base::Duration>(since / 4, kProbeAgain, kProbeAgainMost);
}

bool ClusterIsolation::Known(base::Time now) const {
  return at && (verdict.state != Isolation::kUnknown || now - *at < kMeasureAgain);
}

bool ClusterIsolation::Due(base::Time now) const {
  if (asked && now - *asked < kClusterAskedFor) return false;
  if (!at) return true;
  const base::Duration age = now - *at;
  return age >= (verdict.state == Isolation::kEnforced ? kClusterAnswerFor : kMeasureAgain);
}

void ClusterIsolation::Learn(const IsolationVerdict& measured, const ForeignPolicies& foreign,
                             bool fresh, base::Time now) {
  if (measured.state == Isolation::kOpen && foreign.allow_egress) return;
  if (measured.state == Isolation::kUnknown && (!fresh || verdict.state != Isolation::kUnknown)) {
    return;
  }
  verdict = measured;
  at = now;
}

api::Condition IsolationCondition(const IsolationVerdict& verdict, const ForeignPolicies& foreign) {
  api::Condition condition{kNetworkIsolatedCondition, "Unknown", verdict.reason, verdict.message,
                           std::nullopt};
  switch (verdict.state) {
    case Isolation::kUnknown:
      break;
    case Isolation::kEnforced:
      condition.status = "True";
      break;
    case Isolation::kOpen:
      condition.status = "False";
      break;
  }
  if (foreign.count == 0) return condition;
  condition.message += " Other NetworkPolicies select this pod and allow it more:";
  for (const std::string& name : foreign.names) condition.message += " " + name;
  if (foreign.count > foreign.names.size()) {
    condition.message += " and " + std::to_string(foreign.count - foreign.names.size()) + " more";
  }
  condition.message += '.';
  return condition;
}

int IsolationValue(Isolation state) {
  switch (state) {
    case Isolation::kUnknown:
      break;
    case Isolation::kEnforced:
      return 1;
    case Isolation::kOpen:
      return 0;
  }
  return -1;
}

}  // namespace sandgate::op
