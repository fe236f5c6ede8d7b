// File operations through the operator's pure logic.
#include "operator/file_logic.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::ExecutionPhase;
using api::Operation;

api::ExecutionSpec FileSpec(Operation operation, const std::string& path) {
  api::ExecutionSpec spec = Moment().execution.spec;
  spec.operation = operation;
  spec.code.clear();
  spec.path = path;
  return spec;
}

// A run of it that ended.
Moment Ended(Operation operation, const api::RunState& result) {
  Moment m;
  m.execution.spec = FileSpec(operation, "d/f");
  m.Claim();
  m.Ended(api::RunOutcome::kExited, 0);
  auto state = std::make_shared<api::RunState>(result);
  state->run_id = "run";
  state->finished = state->started = true;
  m.run.state = state;
  return m;
}

TEST(FileBeginTest, NobodyIsAskedAboutAPathThatCannotBe) {
  const struct {
    Operation operation;
    const char* path;
    const char* ending;
  } kCases[] = {
      {Operation::kWriteFile, "../f", "Failed PathOutsideWorkspace"},
      {Operation::kWriteFile, "/etc/passwd", "Failed PathOutsideWorkspace"},
      {Operation::kWriteFile, "", "Failed InvalidPath"},
      {Operation::kWriteFile, "d/", "Failed IsADirectory"},
      {Operation::kWriteFile, ".", "Failed IsADirectory"},
      {Operation::kReadFile, "a/../../f", "Failed PathOutsideWorkspace"},
      {Operation::kReadFile, "/proc/self/environ", "Failed PathOutsideWorkspace"},
      {Operation::kReadFile, "", "Failed InvalidPath"},
      {Operation::kListFiles, "..", "Failed PathOutsideWorkspace"},
      {Operation::kListFiles, "/", "Failed PathOutsideWorkspace"},
      {Operation::kWriteFile, "d/f", "AwaitingApproval"},
      {Operation::kReadFile, "/workspace/d/f", "AwaitingApproval"},
      {Operation::kListFiles, "", "AwaitingApproval"},
      {Operation::kListFiles, ".", "AwaitingApproval"},
  };
  for (const auto& one : kCases) {
    Moment m;
    m.execution.spec = FileSpec(one.operation, one.path);
    const bool asks = m.Plans<CreateApproval>();
    EXPECT_EQ(asks ? "AwaitingApproval" : Ending(m.Status()), one.ending) << one.path;
  }
}

TEST(FileBeginTest, RefusesWhatHasNoSense) {
  Moment m;
  m.execution.spec = FileSpec(Operation::kListFiles, "");
  m.execution.spec.cursor = "!!";
  EXPECT_EQ(Ending(m.Status()), "Failed InvalidCursor");
  m.execution.spec = FileSpec(Operation::kReadFile, "f");
  m.execution.spec.network_enabled = true;
  EXPECT_EQ(Ending(m.Status()), "Failed NetworkNotAllowed");
}

TEST(FileStartTest, TheRequestIsWhatWasAdmitted) {
  Moment m;
  m.policy = LoadPolicy(
      "security: {hitl: {default_rules: false, rules: [{tools: [code_write_file], risk: LOW}]}}\n");
  m.execution.spec = FileSpec(Operation::kWriteFile, "d/f");
  m.execution.spec.content = std::string("\0\xff", 2);
  m.execution.spec.append = true;
  m.execution.spec.mode = "0750";
  m.Claim();
  const ExecutionPlan plan = m.Plan();
  const auto* start = std::get_if<StartRun>(&plan.action);
  ASSERT_NE(start, nullptr);
  const api::RunRequest& request = start->admitted.request();
  EXPECT_EQ(request.operation, Operation::kWriteFile);
  EXPECT_EQ(request.path, "d/f");
  EXPECT_EQ(request.content, m.execution.spec.content);
  EXPECT_TRUE(request.append);
  EXPECT_EQ(request.mode, 0750u);
  for (const auto& change : std::vector<void (*)(api::ExecutionSpec*)>{
           [](api::ExecutionSpec* s) { s->path = "e"; },
           [](api::ExecutionSpec* s) { s->content += "x"; },
           [](api::ExecutionSpec* s) { s->append = false; },
           [](api::ExecutionSpec* s) { s->mode = "0755"; }}) {
    Moment changed = m;
    change(&changed.execution.spec);
    EXPECT_EQ(Ending(changed.Status()), "Failed AdmissionMismatch");
  }
}

TEST(FileResultTest, AnErrorOfTheOperationIsTheExecutions) {
  api::RunState state;
  state.error_code = "FileNotFound";
  state.error_message = "\"d/f\" does not exist.";
  const auto status = Ended(Operation::kReadFile, state).Status();
  EXPECT_EQ(Ending(status), "Failed FileNotFound");
  EXPECT_EQ(status.error->message, state.error_message);
  EXPECT_FALSE(status.exit_code);
  EXPECT_EQ(api::FindCondition(status.conditions, "Finished")->message, state.error_message);
}

TEST(FileResultTest, AListingStandsInTheStatus) {
  api::RunState state;
  state.files = {api::MakeFileEntry("a", api::FileType::kFile, 1, 2)};
  state.files_truncated = true;
  state.files_cursor = api::ListCursor("a");
  const auto status = Ended(Operation::kListFiles, state).Status();
  EXPECT_EQ(Ending(status), "Succeeded");
  EXPECT_EQ(status.files, state.files);
  EXPECT_TRUE(status.files_truncated);
  EXPECT_EQ(status.files_cursor, state.files_cursor);
  EXPECT_FALSE(status.exit_code);
}

TEST(FileResultTest, ATimeoutIsOneAsForCode) {
  api::RunState state;
  state.outcome = api::RunOutcome::kTimedOut;
  const auto status = Ended(Operation::kListFiles, state).Status();
  EXPECT_EQ(Ending(status), "TimedOut TimeoutError");
}

// Nothing that a run of code says makes it a file operation's.
TEST(FileResultTest, AnErrorCodeOfCodeMeansNothing) {
  Moment m;
  m.Claim();
  m.Ended(api::RunOutcome::kExited, 0);
  auto state = std::make_shared<api::RunState>(*m.run.state);
  state->error_code = "FileNotFound";
  state->files = {api::MakeFileEntry("a", api::FileType::kFile, 1, 2)};
  m.run.state = state;
  const auto status = m.Status();
  EXPECT_EQ(Ending(status), "Succeeded");
  EXPECT_EQ(status.exit_code, 0);
  EXPECT_TRUE(status.files.empty());
}

TEST(FileTextTest, IsExactInBothEncodings) {
  const struct {
    std::string bytes, wanted, text, encoding;
  } kCases[] = {
      {"abc", "", "abc", "text"},
      {"abc", "text", "abc", "text"},
      {"abc", "base64", "YWJj", "base64"},
      {"", "", "", "text"},
      {"gr\xc3\xbc\xc3\x9f", "", "gr\xc3\xbc\xc3\x9f", "text"},
      {"\xff", "", "/w==", "base64"},
      {"\xff", "text", "/w==", "base64"},
      {std::string("a\0b", 3), "", std::string("a\0b", 3), "text"},
      {"\xef\xbf\xbd", "", "\xef\xbf\xbd", "text"},
      {"\xed\xa0\x80", "", "7aCA", "base64"},
      {"\xc0\xaf", "", "wK8=", "base64"},
      {"\xef\xbb\xbf"
       "a",
       "",
       "\xef\xbb\xbf"
       "a",
       "text"},
  };
  for (const auto& one : kCases) {
    const FileText file = TextOf(one.bytes, one.wanted);
    EXPECT_EQ(file.text, one.text);
    EXPECT_EQ(file.encoding, one.encoding) << one.text;
  }
}

}  // namespace
}  // namespace sandgate::op
