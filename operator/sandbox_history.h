// What ran in a sandbox, for the human who is asked whether more may. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/approval.h"
#include "libs/api/sandbox.h"

namespace sandgate::op {

// Executions that may have changed the workspace: of the operations that can, those that were given
// to the runner of this pod. Others of the same sandbox name, before it, ran somewhere else.
struct SandboxHistory {
  std::string pod_uid;  // "": the sandbox has no pod yet, so nothing ran
  int64_t ended = 0;    // of those that were not deleted since (finished ones live for an hour)
  // Newest first, at most kMaxRecentRuns; one that still runs is the newest.
  std::vector<api::RecentRun> recent;
};

class HistoryBuilder {
 public:
  explicit HistoryBuilder(std::string pod_uid) { history_.pod_uid = std::move(pod_uid); }
  // In any order.
  void Add(const api::Execution& execution);
  SandboxHistory Take() { return std::move(history_); }

 private:
  SandboxHistory history_;
};

// Which run changed the workspace, or is about to, since `asked` was shown; without a name where it
// cannot be told which. nullopt: none. Told by the runs themselves and not by times, which may be
// set back.
std::optional<api::RecentRun> ChangedSince(const api::ApprovalSummary& asked,
                                           const SandboxHistory& now);

// For people: what became of that run.
std::string ChangeText(const api::RecentRun& run);

}  // namespace sandgate::op
