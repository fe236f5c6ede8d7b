// The runner's pure parts: what is kept, who is next, when a run is ended and why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "runner/arguments.h"
#include "runner/call_filter.h"
#include "runner/memory_logic.h"
#include "runner/output_buffer.h"
#include "runner/process_list.h"
#include "runner/run_spec.h"
#include "runner/run_table_logic.h"
#include "runner/supervision_logic.h"

namespace sandgate::runner {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr int64_t kMiB = 1024 * 1024;
constexpr base::MonotonicTime kStart{std::chrono::hours(1)};

TEST(OutputBuffer, KeepsAllUpToTheLimit) {
  OutputBuffer buffer(4);
  buffer.Append("ab");
  buffer.Append("cd");
  EXPECT_FALSE(buffer.truncated());
  EXPECT_EQ(buffer.Take(), "abcd");
}

TEST(OutputBuffer, MarksTheCut) {
  for (const char* rest : {"e", "efgh"}) {
    OutputBuffer buffer(4);
    buffer.Append("abcd");
    buffer.Append(rest);
    buffer.Append("more");
    EXPECT_TRUE(buffer.truncated());
    EXPECT_EQ(buffer.size(), 4u);
    EXPECT_EQ(buffer.Take(), "abcd\n[OUTPUT TRUNCATED]");
  }
}

class SupervisionTest : public ::testing::Test {
 protected:
  Supervision run_{kStart, milliseconds(3000), milliseconds(500)};
};

TEST_F(SupervisionTest, TermAtTheDeadlineThenKillAfterTheGrace) {
  EXPECT_EQ(run_.Step(kStart + milliseconds(2999)), Command::kNothing);
  EXPECT_EQ(*run_.NextDeadline(), kStart + milliseconds(3000));
  EXPECT_EQ(run_.Step(kStart + milliseconds(3000)), Command::kTerminate);
  EXPECT_EQ(run_.Step(kStart + milliseconds(3499)), Command::kNothing);
  EXPECT_EQ(run_.Step(kStart + milliseconds(3500)), Command::kKill);
  EXPECT_EQ(run_.Step(kStart + milliseconds(9000)), Command::kNothing);
  EXPECT_EQ(run_.NextDeadline(), std::nullopt);
}

TEST_F(SupervisionTest, EvenAnExitWithinTheGraceIsATimeout) {
  run_.Step(kStart + milliseconds(3000));
  const Verdict verdict = run_.Conclude(Ending{});
  EXPECT_EQ(verdict.outcome, api::RunOutcome::kTimedOut);
  EXPECT_EQ(verdict.exit_code, -1);
}

TEST_F(SupervisionTest, TheFirstReasonStands) {
  run_.Cancel(kStart);
  EXPECT_EQ(run_.Step(kStart), Command::kTerminate);
  run_.EndForMemory("memory");
  EXPECT_EQ(run_.Step(kStart), Command::kKill);
  EXPECT_EQ(run_.Conclude(std::nullopt).outcome, api::RunOutcome::kCancelled);
}

TEST_F(SupervisionTest, MemoryKillsAtOnce) {
  run_.EndForMemory("too much");
  EXPECT_EQ(run_.Step(kStart), Command::kKill);
  const Verdict verdict = run_.Conclude(std::nullopt);
  EXPECT_EQ(verdict.outcome, api::RunOutcome::kMemoryExceeded);
  EXPECT_EQ(verdict.message, "too much");
  EXPECT_NE(verdict.exit_code, 0);
}

TEST_F(SupervisionTest, AGraceOfNothingKillsInTheNextStep) {
  Supervision run(kStart, milliseconds(10), milliseconds(0));
  EXPECT_EQ(run.Step(kStart + milliseconds(10)), Command::kTerminate);
  EXPECT_EQ(run.Step(kStart + milliseconds(10)), Command::kKill);
}

TEST_F(SupervisionTest, ExitCodesAsAShellSaysThem) {
  EXPECT_EQ(run_.Conclude(Ending{false, 7 << 8, ""}).exit_code, 7);
  EXPECT_EQ(run_.Conclude(Ending{false, SIGSEGV, ""}).exit_code, 128 + SIGSEGV);
  EXPECT_EQ(run_.Conclude(std::nullopt).exit_code, 128 + SIGKILL);
  EXPECT_EQ(run_.Conclude(Ending{true, 0, "why"}).outcome, api::RunOutcome::kRefused);
}

class RunTableTest : public ::testing::Test {
 protected:
  static api::RunRequest Request(int64_t output_bytes = 100) {
    api::RunRequest request;
    request.boot_id = "boot";
    request.code = "x";
    request.output_bytes = output_bytes;
    return request;
  }
  RunTable table_{"boot", {.queued = 2, .kept_bytes = 1000, .known_ids = 5, .id_bytes = 8}};
};

TEST_F(RunTableTest, OneAtATimeFirstComeFirstServed) {
  EXPECT_EQ(table_.Post("a", Request()), PostAnswer::kCreated);
  EXPECT_EQ(table_.Post("b", Request()), PostAnswer::kCreated);
  EXPECT_EQ(table_.TakeNext()->run_id, "a");
  EXPECT_TRUE(table_.Find("a")->started);
  EXPECT_FALSE(table_.Find("b")->started);
  EXPECT_FALSE(table_.TakeNext().has_value());
  table_.Finish("a", {});
  EXPECT_TRUE(table_.Find("a")->finished);
  EXPECT_EQ(table_.TakeNext()->run_id, "b");
}

TEST_F(RunTableTest, TheSameIdNeverRunsTwice) {
  EXPECT_EQ(table_.Post("a", Request()), PostAnswer::kCreated);
  EXPECT_EQ(table_.Post("a", Request()), PostAnswer::kKnown);
  table_.TakeNext();
  EXPECT_EQ(table_.Post("a", Request()), PostAnswer::kKnown);
  table_.Finish("a", {});
  EXPECT_EQ(table_.Post("a", Request()), PostAnswer::kKnown);
  EXPECT_EQ(table_.Delete("a"), DeleteAnswer::kDeleted);
  EXPECT_EQ(table_.Post("a", Request()), PostAnswer::kDeleted);
  EXPECT_EQ(table_.Delete("a"), DeleteAnswer::kDeleted);
  EXPECT_EQ(table_.Find("a"), nullptr);
  EXPECT_FALSE(table_.TakeNext().has_value());
}

TEST_F(RunTableTest, RefusesClaimsOfAnotherBootAndBadIds) {
  auto other = Request();
  other.boot_id = "earlier";
  EXPECT_EQ(table_.Post("a", other), PostAnswer::kWrongBoot);
  for (const char* id : {"", "a/b", "..", "a b", "123456789", "a\n"}) {
    EXPECT_EQ(table_.Post(id, Request()), PostAnswer::kBadId) << id;
  }
}

TEST_F(RunTableTest, EverythingHasALimit) {
  EXPECT_EQ(table_.Post("big", Request(500)), PostAnswer::kResultsFull);
  EXPECT_EQ(table_.Post("a", Request(400)), PostAnswer::kCreated);
  EXPECT_EQ(table_.Post("b", Request()), PostAnswer::kResultsFull);
  table_.TakeNext();
  table_.Finish("a", {});
  EXPECT_EQ(table_.Post("b", Request()), PostAnswer::kResultsFull);
  EXPECT_EQ(table_.Delete("a"), DeleteAnswer::kDeleted);
  EXPECT_EQ(table_.Post("b", Request()), PostAnswer::kCreated);
  EXPECT_EQ(table_.Post("c", Request()), PostAnswer::kCreated);
  EXPECT_EQ(table_.Post("d", Request()), PostAnswer::kQueueFull);
  table_.TakeNext();
  EXPECT_EQ(table_.Post("d", Request()), PostAnswer::kCreated);
  table_.Finish("b", {});
  table_.TakeNext();
  table_.Finish("c", {});
  EXPECT_EQ(table_.Post("e", Request()), PostAnswer::kCreated);
  table_.TakeNext();
  EXPECT_EQ(table_.Post("f", Request()), PostAnswer::kWornOut);
}

TEST_F(RunTableTest, CancelWhileQueuedEndsItUnstarted) {
  table_.Post("a", Request());
  table_.Post("b", Request());
  table_.TakeNext();
  EXPECT_EQ(table_.Cancel("b"), CancelAnswer::kWasQueued);
  EXPECT_EQ(table_.Find("b")->outcome, api::RunOutcome::kCancelled);
  EXPECT_FALSE(table_.Find("b")->started);
  EXPECT_EQ(table_.Cancel("a"), CancelAnswer::kRunning);
  EXPECT_EQ(table_.Delete("a"), DeleteAnswer::kNotFinished);
  table_.Finish("a", {});
  EXPECT_EQ(table_.Cancel("a"), CancelAnswer::kFinished);
  EXPECT_EQ(table_.Cancel("x"), CancelAnswer::kUnknown);
  EXPECT_EQ(table_.Delete("x"), DeleteAnswer::kUnknown);
  EXPECT_FALSE(table_.TakeNext().has_value());
}

TEST(MemoryWatch, CountsWhatGrewSinceTheStart) {
  MemoryWatch watch(100 * kMiB, {.pages_bytes = 50 * kMiB});
  EXPECT_FALSE(watch.Update({.pages_bytes = 150 * kMiB}, 0));
  EXPECT_EQ(watch.used_bytes(), 100 * kMiB);
  EXPECT_THAT(*watch.Update({.pages_bytes = 151 * kMiB}, 0), HasSubstr("100 MiB"));
}

TEST(MemoryWatch, WhatAnEarlierRunGivesBackIsNoRoomForThisOne) {
  MemoryWatch watch(100 * kMiB, {.pages_bytes = 300 * kMiB});
  EXPECT_FALSE(watch.Update({.pages_bytes = 10 * kMiB}, 0));
  EXPECT_TRUE(watch.Update({.pages_bytes = 111 * kMiB}, 0));
}

TEST(MemoryWatch, TheSentrysHeapCountsBeyondItsGarbage) {
  struct Case {
    int64_t limit, slack;
  };
  for (const auto& [limit, slack] : {Case{16, 8}, Case{128, 16}, Case{512, 32}}) {
    MemoryWatch watch(limit * kMiB, {.sentry_bytes = 20 * kMiB});
    const int64_t full = (20 + slack + std::min<int64_t>(limit, 256)) * kMiB;
    EXPECT_FALSE(watch.Update({.sentry_bytes = full}, 0)) << limit;
    EXPECT_TRUE(watch.Update({.sentry_bytes = full + 1}, 0)) << limit;
  }
}

TEST(MemoryWatch, KernelObjectsHaveALimitOfTheirOwn) {
  MemoryWatch watch(4096 * kMiB, {});
  const int64_t full = kMaxSentrySlackBytes + kMaxSentryBytes;
  EXPECT_FALSE(watch.Update({.sentry_bytes = full}, 0));
  EXPECT_THAT(*watch.Update({.sentry_bytes = full + 1}, 0), HasSubstr("kernel memory"));
}

TEST(MemoryWatch, TheWorkspaceAndTheRunnersOwnBuffersAreNotTheRuns) {
  MemoryWatch watch(100 * kMiB, {.pages_bytes = 0});
  EXPECT_FALSE(watch.Update({.pages_bytes = 205 * kMiB, .workspace_bytes = 100 * kMiB}, 5 * kMiB));
  EXPECT_EQ(watch.used_bytes(), 100 * kMiB);
}

TEST(MemoryWatch, FilesOfTheWorkspaceHaveALimit) {
  MemoryWatch watch(100 * kMiB, {});
  EXPECT_FALSE(watch.Update({.workspace_files = kMaxWorkspaceFiles}, 0));
  EXPECT_THAT(*watch.Update({.workspace_files = kMaxWorkspaceFiles + 1}, 0), HasSubstr("files"));
  // A run that finds too many of them can still delete them.
  MemoryWatch later(100 * kMiB, {.workspace_files = 2 * kMaxWorkspaceFiles});
  EXPECT_FALSE(later.Update({.workspace_files = 2 * kMaxWorkspaceFiles}, 0));
}

TEST(Meminfo, ReadsOneValue) {
  constexpr char kText[] = "MemTotal:   10 kB\nActive(anon):  7 kB\nAnonPages:     2048 kB\n";
  EXPECT_EQ(MeminfoBytes(kText, "AnonPages"), 2048 * 1024);
  EXPECT_EQ(MeminfoBytes(kText, "Anon"), std::nullopt);
  EXPECT_EQ(MeminfoBytes(kText, "Shmem"), std::nullopt);
  EXPECT_EQ(MeminfoBytes("AnonPages: none\n", "AnonPages"), std::nullopt);
  EXPECT_EQ(MeminfoBytes("", "AnonPages"), std::nullopt);
}

TEST(ProcessList, ReadsAStatWhateverTheNameIs) {
  constexpr char kRest[] =
      " S 4 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 99 1000000 25 18446744073709551615 1";
  for (const char* name : {"sh", "a b", ") R 1 (", "x)", "(("}) {
    const auto info = ParseStat("12 (" + std::string(name) + ")" + kRest, 4096);
    EXPECT_EQ(info, (ProcessInfo{12, 4, 'S', 25 * 4096})) << name;
  }
  EXPECT_EQ(ParseStat("12 (sh) S 4", 4096), std::nullopt);
  EXPECT_EQ(ParseStat("", 4096), std::nullopt);
}

TEST(ProcessList, TreeHasAllDescendants) {
  const std::vector<ProcessInfo> all = {
      {9, 8, 'S', 1}, {8, 5, 'S', 1}, {5, 1, 'S', 1}, {6, 1, 'S', 1}, {7, 6, 'S', 1}};
  std::vector<pid_t> pids;
  for (const auto& process : Tree(all, 5)) pids.push_back(process.pid);
  EXPECT_THAT(pids, ::testing::UnorderedElementsAre(5, 8, 9));
}

TEST(RunSpec, SurvivesTheWayToTheStage) {
  const RunSpec spec =
      SpecFor(api::Language::kJavaScript, std::string("a\0b\n", 4), 512 * kMiB, 0, "/w");
  const auto read = Decode(Encode(spec));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->argv, spec.argv);
  EXPECT_EQ(read->code, spec.code);
  EXPECT_EQ(read->code_on_stdin, true);
  EXPECT_EQ(read->tmp_bytes, 512 * kMiB);
  const std::string text = Encode(spec);
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(Decode(text.substr(0, size)));
  EXPECT_FALSE(Decode(text + "x"));
}

TEST(RunSpec, AFileOperationSurvivesItToo) {
  FileRequest file;
  file.operation = api::Operation::kWriteFile;
  file.path = "d/f";
  file.content = std::string("\0\xff", 2);
  file.append = true;
  file.max_bytes = 7;
  file.limit = 9;
  file.cursor = "YQ";
  for (const auto& mode : {std::optional<uint32_t>(), std::optional<uint32_t>(0)}) {
    file.mode = mode;
    const std::string text = Encode(SpecFor(file, 512 * kMiB, 0, "/w"));
    const auto read = Decode(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->file, file);
    for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(Decode(text.substr(0, size)));
  }
}

TEST(RunSpec, NodeIsHeldByItsHeapFlagAndNotByAddressSpace) {
  const RunSpec node = SpecFor(api::Language::kJavaScript, "", 512 * kMiB, 0, "/w");
  EXPECT_EQ(node.address_space_bytes, 0);
  EXPECT_THAT(node.argv, ::testing::Contains("--max-old-space-size=384"));
  EXPECT_GT(SpecFor(api::Language::kPython, "", 512 * kMiB, 0, "/w").address_space_bytes,
            512 * kMiB);
}

TEST(CallFilter, IsAProgramTheKernelCanTake) {
  const auto filter = BuildCallFilter();
  ASSERT_TRUE(filter.ok()) << filter.status().ToString();
  EXPECT_EQ(filter->size() % 8, 0u);
  EXPECT_LE(filter->size() / 8, 4096u);  // BPF_MAXINSNS
}

TEST(Arguments, ArePairs) {
  const std::vector<std::string> known = {"--a", "--n"};
  EXPECT_FALSE(Arguments::Parse({"--b", "1"}, known).ok());
  EXPECT_FALSE(Arguments::Parse({"--a"}, known).ok());
  EXPECT_FALSE(Arguments::Parse({"--a", "1", "--a", "2"}, known).ok());
  const auto arguments = Arguments::Parse({"--n", "7"}, known);
  ASSERT_TRUE(arguments.ok());
  EXPECT_EQ(*arguments->NumberOr("--n", 1, 0, 10), 7);
  EXPECT_FALSE(arguments->NumberOr("--n", 1, 0, 6).ok());
  EXPECT_EQ(arguments->Or("--a", "x"), "x");
  EXPECT_FALSE(arguments->Required("--a").ok());
  EXPECT_FALSE(Arguments::Parse({"--n", "7x"}, known)->NumberOr("--n", 1, 0, 10).ok());
}

}  // namespace
}  // namespace sandgate::runner
