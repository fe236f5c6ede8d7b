#include "libs/api/runner_protocol.h"

namespace sandgate::api {
namespace {

constexpr RunOutcome kOutcomes[] = {RunOutcome::kExited, RunOutcome::kTimedOut,
                                    RunOutcome::kMemoryExceeded, RunOutcome::kCancelled,
                                    RunOutcome::kRefused};
constexpr size_t kMaxMessageBytes = 4096;
constexpr size_t kMaxIdBytes = 128;

base::Status Bad(const std::string& field, const std::string& problem) {
  return base::Status(base::Code::kInvalidArgument, field + ": " + problem);
}

base::Result<int64_t> Bounded(const Json& json, const char* key, int64_t low, int64_t high) {
  const Json& member = Member(json, key);
  if (!member.is_number_integer()) return Bad(key, "must be a whole number");
  const int64_t value = member.get<int64_t>();
  if (value < low || value > high) {
    return Bad(key, "must be from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

base::Result<std::string> Id(const Json& json, const char* key) {
  std::string id = StringOr(json, key);
  if (id.empty() || id.size() > kMaxIdBytes) return Bad(key, "must be 1 to 128 characters");
  return id;
}

base::Result<std::string> Stream(const Json& json, const char* key, int64_t max_output_bytes) {
  auto bytes = Base64Decode(StringOr(json, key));
  if (!bytes) return Bad(key, "is not base64");
  // The mark stands on a line of its own.
  const size_t limit = static_cast<size_t>(max_output_bytes) + sizeof kTruncationMark + 1;
  if (bytes->size() > limit) return Bad(key, "is longer than the run's output limit");
  return *std::move(bytes);
}

}  // namespace

const char* RunOutcomeName(RunOutcome outcome) {
  switch (outcome) {
    case RunOutcome::kExited:
      return "Exited";
    case RunOutcome::kTimedOut:
      return "TimedOut";
    case RunOutcome::kMemoryExceeded:
      return "MemoryExceeded";
    case RunOutcome::kCancelled:
      return "Cancelled";
    case RunOutcome::kRefused:
      return "Refused";
  }
  return "";
}

Json ToJson(const RunnerInfo& info) {
  return {{"bootId", info.boot_id}, {"version", info.version}, {"sandboxUid", info.sandbox_uid}};
}

base::Result<RunnerInfo> RunnerInfoFromJson(const Json& json) {
  auto boot_id = Id(json, "bootId");
  if (!boot_id.ok()) return boot_id.status();
  auto sandbox_uid = Id(json, "sandboxUid");
  if (!sandbox_uid.ok()) return sandbox_uid.status();
  return RunnerInfo{*boot_id, StringOr(json, "version").substr(0, kMaxIdBytes), *sandbox_uid};
}

Json ToJson(const RunRequest& request) {
  return {{"bootId", request.boot_id},
          {"operation", OperationName(request.operation)},
          {"language", LanguageName(request.language)},
          {"code", Base64Encode(request.code)},
          {"timeoutMillis", request.timeout_millis},
          {"graceMillis", request.grace_millis},
          {"memoryBytes", request.memory_bytes},
          {"outputBytes", request.output_bytes}};
}

base::Result<RunRequest> RunRequestFromJson(const Json& json) {
  RunRequest request;
  auto boot_id = Id(json, "bootId");
  if (!boot_id.ok()) return boot_id.status();
  request.boot_id = *boot_id;
  if (StringOr(json, "operation") != OperationName(Operation::kExecute)) {
    return Bad("operation", "this runner knows Execute");
  }
  const auto language = ParseLanguage(StringOr(json, "language"));
  if (!language) return Bad("language", "must be python, javascript or shell");
  request.language = *language;
  auto code = Base64Decode(StringOr(json, "code"));
  if (!code || code->empty()) return Bad("code", "must be base64 and not empty");
  request.code = *std::move(code);
  const struct {
    const char* key;
    int64_t low, high;
    int64_t* target;
  } numbers[] = {
      {"timeoutMillis", 1, 86'400'000, &request.timeout_millis},
      {"graceMillis", 0, 60'000, &request.grace_millis},
      {"memoryBytes", 1 << 20, int64_t{64} << 30, &request.memory_bytes},
      {"outputBytes", 1, kMaxOutputBytes, &request.output_bytes},
  };
  for (const auto& number : numbers) {
    auto value = Bounded(json, number.key, number.low, number.high);
    if (!value.ok()) return value.status();
    *number.target = *value;
  }
  return request;
}

Json ToJson(const RunState& state) {
  Json json = {{"runId", state.run_id}, {"finished", state.finished}, {"started", state.started}};
  if (!state.finished) return json;
  json["outcome"] = RunOutcomeName(state.outcome);
  json["exitCode"] = state.exit_code;
  json["stdout"] = Base64Encode(state.out);
  json["stderr"] = Base64Encode(state.err);
  json["stdoutTruncated"] = state.out_truncated;
  json["stderrTruncated"] = state.err_truncated;
  json["durationMillis"] = state.duration_millis;
  json["errorMessage"] = state.error_message;
  return json;
}

base::Result<RunState> RunStateFromJson(const Json& json, int64_t max_output_bytes) {
  RunState state;
  auto run_id = Id(json, "runId");
  if (!run_id.ok()) return run_id.status();
  state.run_id = *run_id;
  state.finished = BoolOr(json, "finished");
  state.started = BoolOr(json, "started");
  if (!state.finished) return state;
  const std::string outcome = StringOr(json, "outcome");
  bool known = false;
  for (const RunOutcome one : kOutcomes) {
    if (outcome != RunOutcomeName(one)) continue;
    state.outcome = one;
    known = true;
  }
  if (!known) return Bad("outcome", "is unknown");
  auto exit_code = Bounded(json, "exitCode", -1, 255);
  if (!exit_code.ok()) return exit_code.status();
  state.exit_code = *exit_code;
  auto out = Stream(json, "stdout", max_output_bytes);
  if (!out.ok()) return out.status();
  state.out = std::move(out).value();
  auto err = Stream(json, "stderr", max_output_bytes);
  if (!err.ok()) return err.status();
  state.err = std::move(err).value();
  state.out_truncated = BoolOr(json, "stdoutTruncated");
  state.err_truncated = BoolOr(json, "stderrTruncated");
  auto duration = Bounded(json, "durationMillis", 0, int64_t{1} << 40);
  if (!duration.ok()) return duration.status();
  state.duration_millis = *duration;
  state.error_message = StringOr(json, "errorMessage").substr(0, kMaxMessageBytes);
  return state;
}

}  // namespace sandgate::api
