// What the operator and the runner in a sandbox's pod say to each other, over mutual TLS.
//
//   GET    /v1/info            -> 200 RunnerInfo
//   POST   /v1/runs/{runId}    RunRequest -> 201 started or queued, 200 the same runId is known
//                              already (nothing is started again), 409 the claim is for another
//                              boot ID, 400 with {"error":{"code","message","field"}}
//   GET    /v1/runs/{runId}?wait=30s  -> 200 RunState, as soon as it is terminal or after `wait`;
//                              404 unknown
//   POST   /v1/runs/{runId}/cancel    -> 202; the run ends with outcome kCancelled
//   POST   /v1/probe           ProbeRequest -> 200 {"outcome"}, after its timeout at the latest;
//   429
//                              while another probe is under way
//   DELETE /v1/runs/{runId}    -> 204: the operator has stored the result; 409 while it runs
//
// The runner's answers are untrusted: readers here check every member and every size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/json.h"
#include "libs/api/package.h"
#include "libs/api/run_network.h"

namespace sandgate::api {

inline constexpr uint16_t kRunnerPort = 8443;
inline constexpr size_t kMaxRunRequestBytes = 2 * 1024 * 1024;
inline constexpr int64_t kMaxOutputBytes = 10 * 1024 * 1024;  // a stream; ceiling of any setting

struct RunnerInfo {
  std::string boot_id;  // new at every start of the runner
  std::string version;
  std::string sandbox_uid;
};

struct RunRequest {
  std::string boot_id;  // of the claim; must be the runner's own
  Operation operation = Operation::kExecute;
  Language language = Language::kPython;
  std::string code;
  int64_t timeout_millis = 0;
  int64_t grace_millis = 2000;  // between SIGTERM and SIGKILL
  int64_t memory_bytes = 0;     // of one run
  int64_t output_bytes = 0;     // a stream, or the file that is read
  // The way out of an Execute or InstallPackage; absent: the run has none.
  std::optional<RunNetwork> network;

  // InstallPackage, which also has a network
  std::optional<InstallRequest> install;
  // WriteFile, ReadFile, ListFiles
  std::string path;  // as it was given; "" is the workspace itself, for a listing
  // WriteFile
  std::string content;
  bool append = false;
  std::optional<uint32_t> mode;  // permission bits
  // ListFiles
  int64_t limit = kDefaultListLimit;
  std::string cursor;
};

enum class RunOutcome {
  kExited,          // exit_code is the process's own, or 128+n for signal n
  kTimedOut,        // exit_code -1
  kMemoryExceeded,  // ended by the runner's memory limit
  kCancelled,
  kRefused,  // could not be started; error_message says why
};
const char* RunOutcomeName(RunOutcome outcome);

struct RunState {
  std::string run_id;
  bool finished = false;
  bool started = false;  // false: queued behind another run
  RunOutcome outcome = RunOutcome::kExited;
  int64_t exit_code = 0;
  std::string out, err;  // bytes as the process wrote them (base64 in JSON)
  bool out_truncated = false, err_truncated = false;
  int64_t duration_millis = 0;
  std::string error_message;

  // File operations that ran to their end (kExited): what they could not do, by FileErrorName, or
  // "" when it is done. `out` is then the file that was read, whole. Of an install whose exit code is
  // 0: why its packages could not be told.
  std::string error_code;
  // ListFiles
  std::vector<FileEntry> files;
  bool files_truncated = false;
  std::string files_cursor;
  // InstallPackage that succeeded
  std::vector<InstalledPackage> packages;
};

Json ToJson(const RunnerInfo& info);
base::Result<RunnerInfo> RunnerInfoFromJson(const Json& json);
Json ToJson(const RunRequest& request);
// kInvalidArgument names the member.
base::Result<RunRequest> RunRequestFromJson(const Json& json);
Json ToJson(const RunState& state);
// Refuses streams above `max_output_bytes` plus the truncation mark (I8), and listings above the
// limits of one page.
base::Result<RunState> RunStateFromJson(const Json& json, int64_t max_output_bytes);

inline constexpr char kTruncationMark[] = "[OUTPUT TRUNCATED]";

// Base64 of RFC 4648 section 4, by OpenSSL.
std::string Base64Encode(std::string_view bytes);
std::optional<std::string> Base64Decode(std::string_view text);

}  // namespace sandgate::api
