#include "operator/sandbox_history.h"

#include <algorithm>

#include "libs/policy/rule.h"
#include "operator/text.h"

namespace sandgate::op {
namespace {

constexpr size_t kMaxLineBytes = 160;

bool ChangesWorkspace(api::Operation operation) {
  switch (operation) {
    case api::Operation::kExecute:
    case api::Operation::kInstallPackage:
    case api::Operation::kWriteFile:
      return true;
    case api::Operation::kReadFile:
    case api::Operation::kListFiles:
      return false;
  }
  return true;
}

std::string What(const api::ExecutionSpec& spec) {
  switch (spec.operation) {
    case api::Operation::kExecute:
      return std::string(api::LanguageName(spec.language)) + ", " +
             std::to_string(spec.code.size()) + " bytes; " + policy::LineAt(spec.code, 0);
    case api::Operation::kInstallPackage:
      return spec.package + (spec.registry.empty() ? "" : " from " + spec.registry);
    case api::Operation::kWriteFile:
      return std::to_string(spec.content.size()) + " bytes to " + spec.path;
    case api::Operation::kReadFile:
    case api::Operation::kListFiles:
      return spec.path;
  }
  return "";
}

std::string Line(const api::Execution& execution) {
  std::string line;
  if (execution.status.exit_code) {
    line = "exit " + std::to_string(*execution.status.exit_code) + "; ";
  }
  return CutUtf8(Printable(line + What(execution.spec)), kMaxLineBytes);
}

bool Newer(const api::RecentRun& one, const api::RecentRun& other) {
  const auto order = [](const api::RecentRun& run) {
    return std::make_pair(run.ended_at.value_or(base::Time::max()), run.execution);
  };
  return order(one) > order(other);
}

const api::RecentRun* Find(const std::vector<api::RecentRun>& runs, const std::string& execution) {
  const auto found = std::find_if(runs.begin(), runs.end(), [&](const api::RecentRun& run) {
    return run.execution == execution;
  });
  return found == runs.end() ? nullptr : &*found;
}

}  // namespace

void HistoryBuilder::Add(const api::Execution& execution) {
  const api::ExecutionStatus& status = execution.status;
  if (!status.claim || status.claim->pod_uid != history_.pod_uid || !status.phase) return;
  if (!ChangesWorkspace(execution.spec.operation)) return;
  api::RecentRun run{.execution = execution.meta.name,
                     .tool = api::ToolName(execution.spec.operation),
                     .phase = api::PhaseName(*status.phase),
                     .line = Line(execution)};
  if (status.terminal()) {
    ++history_.ended;
    run.ended_at = status.completion_time.value_or(base::Time());
  }
  std::vector<api::RecentRun>& recent = history_.recent;
  recent.insert(std::upper_bound(recent.begin(), recent.end(), run, Newer), std::move(run));
  if (recent.size() > api::kMaxRecentRuns) recent.pop_back();
}

std::optional<api::RecentRun> ChangedSince(const api::ApprovalSummary& asked,
                                           const SandboxHistory& now) {
  const bool all_shown = asked.recent_runs.size() < api::kMaxRecentRuns;
  for (const api::RecentRun& run : now.recent) {
    if (const api::RecentRun* shown = Find(asked.recent_runs, run.execution)) {
      if (shown->phase != run.phase) return run;  // it ran when the question was asked, and ended
      continue;
    }
    // Not shown then: a later one, unless it is an older one that moved up after a deletion.
    const bool older = !all_shown && run.ended_at && asked.recent_runs.back().ended_at &&
                       *run.ended_at < *asked.recent_runs.back().ended_at;
    if (!older) return run;
  }
  // One that ended by a clock which was set back stands among the old ones; it is counted all the
  // same.
  if (now.ended > asked.sandbox_runs) return api::RecentRun{.ended_at = base::Time()};
  return std::nullopt;
}

std::string ChangeText(const api::RecentRun& run) {
  if (run.execution.empty()) {
    return "Since the question was asked, another Execution of this Sandbox ended. The files that "
           "this one would use may be others now.";
  }
  const std::string what = run.ended_at ? "ended (" + run.phase + ")" : "began to run";
  return "Since the question was asked, another Execution of this Sandbox " + what + ": " +
         run.execution + ", " + run.tool + ". The files that this one would use may be others now.";
}

}  // namespace sandgate::op
