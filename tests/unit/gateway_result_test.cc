// From an Execution to the seed's result object.
#include <gtest/gtest.h>

#include "api-gateway/result_logic.h"

namespace sandgate::gateway {
namespace {

api::Execution Ended(api::ExecutionPhase phase) {
  api::Execution execution;
  execution.meta.name = "execution-1";
  execution.spec.sandbox_name = "sandbox-1";
  execution.status.phase = phase;
  return execution;
}

TEST(GatewayResult, TheSeedsObject) {
  api::Execution execution = Ended(api::ExecutionPhase::kSucceeded);
  execution.status.exit_code = 0;
  execution.status.out = "Hello, World!\n";
  execution.status.err = "";
  execution.status.execution_time_millis = 500;
  EXPECT_EQ(ResultOf(execution), api::Json({{"success", true},
                                            {"sandbox_id", "sandbox-1"},
                                            {"stdout", "Hello, World!\n"},
                                            {"stderr", ""},
                                            {"exit_code", 0},
                                            {"execution_time", 0.5},
                                            {"error", nullptr},
                                            {"execution", "execution-1"}}));
}

TEST(GatewayResult, Outcomes) {
  using api::ExecutionPhase;
  struct Row {
    ExecutionPhase phase;
    std::optional<int64_t> exit_code;
    std::optional<api::ExecutionError> error;
    api::Json expected_error;
  };
  const Row rows[] = {
      {ExecutionPhase::kFailed, 1, std::nullopt, nullptr},
      {ExecutionPhase::kFailed, 137, api::ExecutionError{"MemoryLimitExceeded", "too much"},
       "MemoryLimitExceeded: too much"},
      {ExecutionPhase::kTimedOut, -1, api::ExecutionError{"TimeoutError", "ended after 3 s"},
       "TimeoutError"},
      {ExecutionPhase::kTimedOut, -1, std::nullopt, "TimeoutError"},
      {ExecutionPhase::kFailed, std::nullopt, api::ExecutionError{"SandboxNotFound", "no x"},
       "Sandbox not found"},
      {ExecutionPhase::kDenied, std::nullopt, api::ExecutionError{"ApprovalDenied", "not today"},
       "ApprovalDenied: not today"},
      {ExecutionPhase::kDenied, std::nullopt, std::nullopt,
       "ApprovalDenied: the request was denied"},
      {ExecutionPhase::kExpired, std::nullopt, std::nullopt,
       "ApprovalExpired: nobody decided in time, so the request was denied"},
      {ExecutionPhase::kCancelled, std::nullopt, std::nullopt,
       "Cancelled: the execution was cancelled"},
      {ExecutionPhase::kLost, std::nullopt, api::ExecutionError{"SandboxLost", ""}, "SandboxLost"},
  };
  for (const Row& row : rows) {
    api::Execution execution = Ended(row.phase);
    execution.status.exit_code = row.exit_code;
    execution.status.error = row.error;
    const api::Json result = ResultOf(execution);
    EXPECT_EQ(result["success"], false);
    EXPECT_EQ(result["error"], row.expected_error);
    EXPECT_EQ(result["exit_code"], row.exit_code ? api::Json(*row.exit_code) : api::Json());
    EXPECT_EQ(result["stdout"], "");
  }
}

TEST(GatewayResult, FlagsStandThereOnlyWhenTrue) {
  api::Execution execution = Ended(api::ExecutionPhase::kSucceeded);
  execution.status.stdout_truncated = true;
  execution.status.stderr_replaced = true;
  const api::Json result = ResultOf(execution);
  EXPECT_EQ(result["stdout_truncated"], true);
  EXPECT_EQ(result["stderr_replaced"], true);
  EXPECT_FALSE(result.contains("stderr_truncated"));
  EXPECT_FALSE(result.contains("stdout_replaced"));
}

TEST(GatewayResult, ALongOutputIsWholeOrSaysThatItIsNot) {
  api::Execution execution = Ended(api::ExecutionPhase::kSucceeded);
  execution.status.out = "the first part";
  execution.status.stdout_ref = api::OutputRef{{"m"}, "digest", 100};
  EXPECT_EQ(ResultOf(execution)["stdout_truncated"], true);
  const api::Json whole = ResultOf(execution, {"all of it", std::nullopt});
  EXPECT_EQ(whole["stdout"], "all of it");
  EXPECT_FALSE(whole.contains("stdout_truncated"));
}

TEST(GatewayResult, LimitsAre429) {
  api::Execution execution = Ended(api::ExecutionPhase::kFailed);
  EXPECT_EQ(LimitError(execution), std::nullopt);
  execution.status.error = {"TooManyOpenApprovals", "16 are open"};
  const auto error = LimitError(execution);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->status, 429U);
  EXPECT_EQ(error->code, "TooManyOpenApprovals");
  execution.status.error = {"MemoryLimitExceeded", ""};
  EXPECT_FALSE(LimitError(execution).has_value());
}

TEST(GatewayError, AMessageOfTheApiServersIsShortenedInTheMiddle) {
  const std::string said = "spec.x: Invalid value: " + std::string(700'000, 'v') + ": too long";
  const CallError error = FromStatus(base::Status(base::Code::kInvalidArgument, said));
  EXPECT_EQ(error.status, 422U);
  EXPECT_LT(error.message.size(), 3000U);
  EXPECT_TRUE(error.message.starts_with("spec.x: ") && error.message.ends_with(": too long"));
}

TEST(GatewayResult, ProgressNamesTheApproval) {
  api::Execution execution = Ended(api::ExecutionPhase::kAwaitingApproval);
  execution.status.approval_name = "execution-1";
  const api::Json progress = ProgressOf(execution);
  EXPECT_EQ(progress["phase"], "AwaitingApproval");
  EXPECT_EQ(progress["approval"], "execution-1");
  EXPECT_EQ(progress["execution"], "execution-1");
}

api::Execution EndedAs(api::Operation operation) {
  api::Execution execution = Ended(api::ExecutionPhase::kSucceeded);
  execution.spec.operation = operation;
  execution.spec.path = "data/input.csv";
  return execution;
}

TEST(GatewayResult, AnInstall) {
  api::Execution execution = EndedAs(api::Operation::kInstallPackage);
  execution.spec.package = "requests==2.31.0";
  execution.status.exit_code = 0;
  execution.status.out = "Successfully installed requests-2.31.0\n";
  execution.status.packages = {{"requests", "2.31.0", "sha256:58cd"}, {"idna", "3.13", ""}};
  EXPECT_EQ(ResultOf(execution),
            api::Json({{"success", true},
                       {"sandbox_id", "sandbox-1"},
                       {"package", "requests==2.31.0"},
                       {"registry", "pypi"},
                       {"stdout", "Successfully installed requests-2.31.0\n"},
                       {"stderr", ""},
                       {"packages",
                        {{{"name", "requests"}, {"version", "2.31.0"}, {"hash", "sha256:58cd"}},
                         {{"name", "idna"}, {"version", "3.13"}}}},
                       {"error", nullptr},
                       {"execution", "execution-1"}}));
  execution.status.packages.clear();
  execution.spec.registry = "npm";
  execution.status.phase = api::ExecutionPhase::kFailed;
  execution.status.error = {"NetworkAccessRequired", "the sandbox has no network"};
  const api::Json refused = ResultOf(execution);
  EXPECT_EQ(refused["registry"], "npm");
  EXPECT_EQ(refused["error"], "Network access required for package installation");
  EXPECT_EQ(refused["success"], false);
  EXPECT_EQ(refused["packages"], api::Json::array());
}

TEST(GatewayResult, AWrittenFile) {
  api::Execution execution = EndedAs(api::Operation::kWriteFile);
  EXPECT_EQ(ResultOf(execution), api::Json({{"success", true},
                                            {"sandbox_id", "sandbox-1"},
                                            {"file_path", "data/input.csv"},
                                            {"error", nullptr},
                                            {"execution", "execution-1"}}));
  execution.status.phase = api::ExecutionPhase::kFailed;
  execution.status.error = {"DiskFull", "no space is left"};
  EXPECT_EQ(ResultOf(execution)["success"], false);
  EXPECT_EQ(ResultOf(execution)["error"], "DiskFull: no space is left");
}

TEST(GatewayResult, AReadFile) {
  api::Execution execution = EndedAs(api::Operation::kReadFile);
  execution.status.out = "Processing complete\n";
  execution.status.err = "";
  EXPECT_EQ(ResultOf(execution), api::Json({{"success", true},
                                            {"sandbox_id", "sandbox-1"},
                                            {"file_path", "data/input.csv"},
                                            {"content", "Processing complete\n"},
                                            {"encoding", "text"},
                                            {"error", nullptr},
                                            {"execution", "execution-1"}}));
}

TEST(GatewayResult, AFileThatIsNotText) {
  api::Execution execution = EndedAs(api::Operation::kReadFile);
  execution.status.out = "AP8=";
  execution.status.content_encoding = "base64";
  EXPECT_EQ(ResultOf(execution)["encoding"], "base64");
  EXPECT_EQ(ResultOf(execution)["content"], "AP8=");
}

TEST(GatewayResult, AListing) {
  api::Execution execution = EndedAs(api::Operation::kListFiles);
  execution.spec.path.clear();
  execution.status.files = {api::MakeFileEntry("a.txt", api::FileType::kFile, 5, 1'700'000'000),
                            api::MakeFileEntry("\xff", api::FileType::kDirectory, 0, 0)};
  execution.status.files_truncated = true;
  execution.status.files_cursor = "_w";
  EXPECT_EQ(
      ResultOf(execution),
      api::Json(
          {{"success", true},
           {"sandbox_id", "sandbox-1"},
           {"path", "."},
           {"files", {"a.txt", "\xEF\xBF\xBD"}},
           {"entries",
            {{{"name", "a.txt"}, {"type", "file"}, {"size", 5}, {"mtime", "2023-11-14T22:13:20Z"}},
             {{"name", "\xEF\xBF\xBD"},
              {"name_base64", "/w=="},
              {"type", "directory"},
              {"size", 0},
              {"mtime", "1970-01-01T00:00:00Z"}}}},
           {"truncated", true},
           {"next_cursor", "_w"},
           {"error", nullptr},
           {"execution", "execution-1"}}));
}

// A program would take a part for the whole.
TEST(GatewayResult, APartOfAFileIsNoContent) {
  api::Execution execution = EndedAs(api::Operation::kReadFile);
  execution.status.out = "the first part";
  execution.status.stdout_ref = api::OutputRef{{"m"}, "digest", 100};
  const api::Json part = ResultOf(execution);
  EXPECT_EQ(part["success"], false);
  EXPECT_EQ(part["content"], "");
  EXPECT_EQ(part["error"].get<std::string>().find("ContentUnavailable: "), 0U);
  EXPECT_EQ(ResultOf(execution, {"all of it", std::nullopt})["content"], "all of it");
  execution.status.stdout_ref.reset();
  execution.status.stdout_truncated = true;
  EXPECT_EQ(ResultOf(execution)["success"], false);
}

}  // namespace
}  // namespace sandgate::gateway
