// What the approver is told of other runs in the sandbox.
#include "operator/sandbox_history.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::ApprovalPhase;
using api::ExecutionPhase;
using api::Verdict;

api::Execution Ran(const std::string& name, std::optional<int64_t> ended,
                   const std::string& pod = "pod-uid") {
  api::Execution execution;
  execution.meta.name = name;
  execution.spec.sandbox_name = "box";
  execution.spec.code = "import csv\nprint(1)";
  execution.status.claim = api::Claim{"run", pod, "boot"};
  execution.status.phase = ended ? ExecutionPhase::kSucceeded : ExecutionPhase::kRunning;
  if (ended) execution.status.completion_time = At(*ended);
  if (ended) execution.status.exit_code = 0;
  return execution;
}

SandboxHistory HistoryOf(const std::vector<api::Execution>& executions) {
  HistoryBuilder builder("pod-uid");
  for (const api::Execution& one : executions) builder.Add(one);
  return builder.Take();
}

std::string Names(const SandboxHistory& history) {
  std::string names;
  for (const api::RecentRun& run : history.recent) names += run.execution + " ";
  return names;
}

TEST(HistoryTest, ShowsTheNewestFirstAndCountsAll) {
  std::vector<api::Execution> all;
  for (int i = 0; i < 7; ++i) all.push_back(Ran("run-" + std::to_string(i), 10 + (i * 3) % 7));
  all.push_back(Ran("now", std::nullopt));
  const SandboxHistory history = HistoryOf(all);
  EXPECT_EQ(Names(history), "now run-2 run-4 run-6 run-1 ");
  EXPECT_EQ(history.ended, 7);
  EXPECT_FALSE(history.recent[0].ended_at);
  EXPECT_EQ(history.recent[1].line, "exit 0; python, 19 bytes; line 1: import csv");
  EXPECT_EQ(history.recent[1].phase, "Succeeded");
}

TEST(HistoryTest, OnlyWhatMayHaveChangedTheFilesOfThisPodCounts) {
  std::vector<api::Execution> all = {Ran("elsewhere", 1, "the pod before"), Ran("denied", 2),
                                     Ran("read", 3), Ran("list", 4)};
  all[1].status.claim.reset();
  all[2].spec.operation = api::Operation::kReadFile;
  all[3].spec.operation = api::Operation::kListFiles;
  EXPECT_EQ(HistoryOf(all).ended, 0);
  EXPECT_EQ(Names(HistoryOf(all)), "");
  all[2].spec.operation = api::Operation::kWriteFile;
  all[3].spec.operation = api::Operation::kInstallPackage;
  EXPECT_EQ(Names(HistoryOf(all)), "list read ");
}

TEST(HistoryTest, ALineIsOneLineOfPlainText) {
  api::Execution nasty = Ran("nasty", 1);
  nasty.spec.operation = api::Operation::kWriteFile;
  nasty.spec.path = "a\x1b[2J\n\xe2\x80\xae" + std::string(500, 'x');
  const std::string line = HistoryOf({nasty}).recent[0].line;
  EXPECT_EQ(line.substr(0, 34), "exit 0; 0 bytes to a?[2J??xxxxxxxx");
  EXPECT_LE(line.size(), 160u);
}

TEST(HistoryTest, AChangeIsToldByTheRunsThemselves) {
  std::vector<api::Execution> six;
  for (int i = 0; i < 6; ++i) six.push_back(Ran("run-" + std::to_string(i), 10 + i));
  const auto with = [](std::vector<api::Execution> all, const api::Execution& more) {
    all.push_back(more);
    return all;
  };
  const auto without = [](std::vector<api::Execution> all, size_t which) {
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(which));
    return all;
  };
  const struct {
    const char* why;
    std::vector<api::Execution> asked, now;
    std::string changed;  // "": nothing
  } cases[] = {
      {"nothing at all", {}, {}, ""},
      {"nothing new", six, six, ""},
      {"the first one", {}, {Ran("new", 99)}, "new"},
      {"one more", six, with(six, Ran("new", 99)), "new"},
      {"one began", six, with(six, Ran("new", std::nullopt)), "new"},
      {"one more, though the clock was set back", six, with(six, Ran("new", 1)), "?"},
      {"few were there, and the clock was set back",
       {Ran("a", 50)},
       {Ran("a", 50), Ran("new", 1)},
       "new"},
      {"the one that ran has ended", with(six, Ran("now", std::nullopt)), with(six, Ran("now", 20)),
       "now"},
      {"it still runs", with(six, Ran("now", std::nullopt)), with(six, Ran("now", std::nullopt)),
       ""},
      {"the oldest are gone", six, without(without(six, 0), 0), ""},
      {"a newer one was deleted, so that an older moved up", six, without(six, 5), ""},
      {"deleted and new", six, with(without(six, 5), Ran("new", 15)), "new"},
  };
  for (const auto& one : cases) {
    const SandboxHistory before = HistoryOf(one.asked);
    api::ApprovalSummary summary;
    summary.sandbox_runs = before.ended;
    summary.recent_runs = before.recent;
    const auto run = ChangedSince(summary, HistoryOf(one.now));
    const std::string name = !run ? "" : run->execution.empty() ? "?" : run->execution;
    EXPECT_EQ(name, one.changed) << one.why;
  }
}

TEST(HistoryTest, AQuestionIsAskedOnlyWithTheHistoryKnown) {
  Moment m;
  m.history.reset();
  EXPECT_TRUE(m.Plans<ReadHistory>());
  m.history = HistoryOf({Ran("before", 1)});
  m.load.identical = {"a", "b", "c", "d", "e", "f"};
  const ExecutionPlan plan = m.Plan();
  const api::ApprovalSummary& summary = std::get<CreateApproval>(plan.action).request.summary;
  EXPECT_EQ(summary.sandbox_runs, 1);
  ASSERT_EQ(summary.recent_runs.size(), 1u);
  EXPECT_EQ(summary.recent_runs[0].execution, "before");
  EXPECT_EQ(summary.identical_pending, 6);
  EXPECT_EQ(summary.identical_names.size(), api::kMaxIdenticalNames);
  EXPECT_NE(summary.text.find("6 time(s) more"), std::string::npos) << summary.text;
}

TEST(HistoryTest, AChangeIsShownOnceBeforeTheDecisionIsTakenUp) {
  Moment m;
  m.Ask();
  m.Decide(Verdict::kApproved);
  m.history.reset();
  EXPECT_TRUE(m.Plans<ReadHistory>());
  m.history = HistoryOf({Ran("other", 20)});
  const ExecutionPlan plan = m.Plan();
  EXPECT_NE(std::get<NoteChange>(plan.action).message.find("other, code_execute"),
            std::string::npos);
  m.approval.workspace_changed = true;
  m.history.reset();
  EXPECT_EQ(m.Settled(), "Approved") << "shown once; nothing has to be read any more";
  EXPECT_EQ(m.Settled(60), "Expired") << "the deadline comes before all that";
}

TEST(HistoryTest, APolicyMayVoidTheApprovalThen) {
  Moment m;
  m.policy = LoadPolicy("security: {hitl: {void_on_workspace_change: true}}\n");
  m.Ask();
  EXPECT_TRUE(m.Plans<Wait>()) << "nothing changed";
  m.history = HistoryOf({Ran("other", std::nullopt)});
  EXPECT_TRUE(m.Plans<NoteChange>());
  m.approval.workspace_changed = true;
  EXPECT_EQ(m.Settled(), "Denied");
  m.Decide(Verdict::kApproved);
  EXPECT_EQ(m.Settled(), "Denied");
  m.approval.phase = ApprovalPhase::kApproved;
  EXPECT_EQ(Ending(m.Status()), "Denied ApprovalVoid") << "approved, and not admitted yet";
  m.history.reset();
  EXPECT_TRUE(m.Plans<ReadHistory>()) << "a new operator looks first";
}

TEST(HistoryTest, APolicyMayVoidWhatWaitsForItsTurn) {
  Moment m;
  m.policy = LoadPolicy("security: {hitl: {void_on_workspace_change: true}}\n");
  m.Ask();
  m.Decide(Verdict::kApproved);
  m.approval.phase = ApprovalPhase::kApproved;
  m.Admit();
  m.execution.status.admission->by = "Approval";
  EXPECT_EQ(Ending(m.Status()), "Running");
  m.history = HistoryOf({Ran("other", 20)});
  EXPECT_EQ(Ending(m.Status()), "Denied ApprovalVoid");
  m.has_approval = false;
  EXPECT_EQ(Ending(m.Status()), "Denied ApprovalDeleted") << "it cannot be told";
  m.execution.status.admission->by = "Auto";
  EXPECT_EQ(Ending(m.Status()), "Running") << "nobody was asked about it";
}

}  // namespace
}  // namespace sandgate::op
