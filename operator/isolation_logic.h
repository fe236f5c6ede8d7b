// Whether the cluster's network holds sandboxes as their NetworkPolicies say: how an attempt to
// reach the operator from a sandbox's pod is judged, and what is said about it. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libs/api/meta.h"
#include "libs/api/run_network.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace sandgate::op {

// A new pod is held a moment after it has started (some 90 ms with a fast network plugin): only one
// that reaches the operator for longer than this is not held.
inline constexpr std::chrono::seconds kEnforcementPatience{5};
inline constexpr std::chrono::milliseconds kProbeAgain{100}, kProbeAgainMost{1'000};
// Plugins that drop packets make each attempt last this long. A lost SYN comes again after 1 s.
inline constexpr std::chrono::milliseconds kProbeTimeout{2'000};
static_assert(kProbeTimeout.count() <= api::kMaxProbeMillis);
// An answer for the cluster is refreshed by the next new sandbox after this long, a bad one after a
// minute; so is a Sandbox's own that may be granted network and is not known to be held.
inline constexpr std::chrono::minutes kClusterAnswerFor{10};
inline constexpr std::chrono::minutes kMeasureAgain{1};
inline constexpr std::chrono::seconds kClusterAskedFor{10};  // one at a time is enough for that
inline constexpr size_t kMaxPoliciesNamed = 5;

enum class Isolation { kUnknown, kEnforced, kOpen };

struct IsolationVerdict {
  Isolation state = Isolation::kUnknown;
  std::string reason, message;  // of the condition

  bool operator==(const IsolationVerdict&) const = default;
};

// NetworkPolicies of other people that select a sandbox's pod. Policies add up: one that allows
// something cannot be taken back by ours.
struct ForeignPolicies {
  std::vector<std::string> names;  // at most kMaxPoliciesNamed of those that allow anything
  size_t count = 0;
  bool allow_egress = false;

  bool operator==(const ForeignPolicies&) const = default;
};

// `policies`: those of the pod's namespace, as the API server lists them. One whose selector cannot
// be read is counted.
ForeignPolicies FindForeignPolicies(const std::vector<api::Json>& policies,
                                    const std::map<std::string, std::string>& pod_labels);

// One attempt, as it was seen from both ends.
struct ProbeAttempt {
  bool heard_self = false;  // the operator's own connection arrived: whoever knocks is heard
  bool arrived = false;     // a connection from the pod's address did
  base::Result<api::ProbeOutcome> said = base::Status(base::Code::kUnavailable, "not asked yet");
};

// nullopt: not settled, once more. `since`: from the beginning of the first attempt to the end of
// this one.
//
// An arrival is believed whatever the runner says, and so is a runner that says it was connected:
// something answered it. That nothing arrived is believed of a runner that tried while the
// operator's own connection came through.
std::optional<IsolationVerdict> Judge(const ProbeAttempt& attempt, const ForeignPolicies& foreign,
                                      base::Duration since);

// How long to wait before the next attempt.
base::Duration ProbePause(base::Duration since);

// What one operator has measured in its cluster.
struct ClusterIsolation {
  IsolationVerdict verdict;
  std::optional<base::Time> at;     // nullopt: no answer yet
  std::optional<base::Time> asked;  // when an attempt last began

  // Whether a new sandbox need not wait for an answer of its own. That it could not be measured is
  // one for a minute: not everybody waits for what does not come.
  bool Known(base::Time now) const;
  // Whether the next new sandbox should be measured, although it need not wait for it.
  bool Due(base::Time now) const;
  // Takes up a verdict about one sandbox; `fresh`: one that was just made. What could not be
  // measured replaces nothing that was, and says nothing when the sandbox is an old one, whose
  // runner may be older than the question. A pod that somebody else's policy opened says nothing
  // about the cluster.
  void Learn(const IsolationVerdict& verdict, const ForeignPolicies& foreign, bool fresh,
             base::Time now);
};

api::Condition IsolationCondition(const IsolationVerdict& verdict, const ForeignPolicies& foreign);
// 1, 0, or -1: the metric's values.
int IsolationValue(Isolation state);

}  // namespace sandgate::op
