// From an Execution to the seed's result object, and from a call to its objects.
#include <gtest/gtest.h>
#include <zlib.h>

#include "api-gateway/gunzip.h"
#include "api-gateway/objects_logic.h"
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

TEST(GatewayResult, ProgressNamesTheApproval) {
  api::Execution execution = Ended(api::ExecutionPhase::kAwaitingApproval);
  execution.status.approval_name = "execution-1";
  const api::Json progress = ProgressOf(execution);
  EXPECT_EQ(progress["phase"], "AwaitingApproval");
  EXPECT_EQ(progress["approval"], "execution-1");
  EXPECT_EQ(progress["execution"], "execution-1");
}

CodeExecute Call() {
  CodeExecute call;
  call.code = "print(1)";
  return call;
}

TEST(GatewayObjects, WhatACallBecomes) {
  CodeExecute call = Call();
  call.timeout = 60;
  call.network_enabled = true;
  call.allowed_domains = {"files.example.com"};
  call.limits.max_memory_mb = 1024;
  call.limits.max_cpu_cores = 0.25;
  call.limits.max_execution_time = 90;
  const api::Requester who{"alice", "u1"};
  EXPECT_EQ(SandboxFor(call, "s", "ns", who)["spec"],
            api::Json({{"language", "python"},
                       {"requester", {{"username", "alice"}, {"uid", "u1"}}},
                       {"network", {{"enabled", true}, {"allowedDomains", {"files.example.com"}}}},
                       {"resources", {{"memory", "1024Mi"}, {"cpu", "250m"}}},
                       {"limits", {{"timeoutSeconds", 90}}}}));
  const api::Json execution = ExecutionFor(call, "e", "ns", "s", who);
  EXPECT_EQ(
      execution["spec"],
      api::Json({{"sandboxName", "s"},
                 {"operation", "Execute"},
                 {"requester", {{"username", "alice"}, {"uid", "u1"}}},
                 {"execute", {{"language", "python"}, {"code", "print(1)"}}},
                 {"timeoutSeconds", 60},
                 {"network", {{"enabled", true}, {"allowedDomains", {"files.example.com"}}}}}));
  api::Json stored = execution;
  EXPECT_TRUE(api::Execution::FromJson(stored).ok());
}

TEST(GatewayObjects, NamesFollowTheKeyAndTheCaller) {
  const CallNames one = NamesFor("ns", "alice", "k");
  EXPECT_EQ(one.execution, NamesFor("ns", "alice", "k").execution);
  EXPECT_EQ(one.new_sandbox, NamesFor("ns", "alice", "k").new_sandbox);
  EXPECT_NE(one.execution, NamesFor("ns", "bob", "k").execution);
  EXPECT_NE(one.execution, NamesFor("n", "salice", "k").execution);
  EXPECT_NE(one.execution, NamesFor("ns", "alice", "K").execution);
  EXPECT_NE(NamesFor("ns", "a", "").execution, NamesFor("ns", "a", "").execution);
  EXPECT_TRUE(IsDnsLabel(one.execution, 63));
  EXPECT_TRUE(IsDnsLabel(one.new_sandbox, 52));
  EXPECT_EQ(one.new_sandbox.size(), std::string("sandbox-").size() + 12);
}

TEST(GatewayObjects, TheSameRequest) {
  const api::Requester who{"alice", ""};
  const api::Json wanted = ExecutionFor(Call(), "e", "ns", "s", who);
  api::Json stored = wanted;
  stored["spec"]["requester"]["uid"] = "stamped";
  stored["spec"]["cancel"] = true;
  stored["metadata"]["uid"] = "x";
  EXPECT_TRUE(SameRequest(stored, wanted));
  CodeExecute other = Call();
  other.code = "print(2)";
  EXPECT_FALSE(SameRequest(stored, ExecutionFor(other, "e", "ns", "s", who)));
  // Limits are the sandbox's, and still a part of the call.
  other = Call();
  other.limits.max_memory_mb = 64;
  EXPECT_FALSE(SameRequest(stored, ExecutionFor(other, "e", "ns", "s", who)));
  EXPECT_FALSE(SameRequest(stored, ExecutionFor(Call(), "e", "ns", "s", {"bob", ""})));
}

std::string Gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(GatewayGunzip, OnlyTheWholeAndNothingElse) {
  const std::string text(1'000'000, 'a');
  const std::string packed = Gzip(text);
  EXPECT_EQ(Gunzip(packed, text.size()), text);
  EXPECT_EQ(Gunzip(Gzip(""), 0), "");
  EXPECT_EQ(Gunzip(packed, text.size() - 1), std::nullopt);  // a bomb stops at its limit
  EXPECT_EQ(Gunzip(packed, text.size() + 1), std::nullopt);
  EXPECT_EQ(Gunzip(packed.substr(0, packed.size() - 1), text.size()), std::nullopt);
  EXPECT_EQ(Gunzip(packed + "x", text.size()), std::nullopt);
  EXPECT_EQ(Gunzip("not gzip", 8), std::nullopt);
  EXPECT_EQ(Gunzip("", 0), std::nullopt);
}

}  // namespace
}  // namespace sandgate::gateway
