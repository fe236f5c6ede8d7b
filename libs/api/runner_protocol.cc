#include "libs/api/runner_protocol.h"

#include "libs/api/bad_field.h"
#include "libs/api/workspace_path.h"

namespace sandgate::api {
namespace {

constexpr RunOutcome kOutcomes[] = {RunOutcome::kExited, RunOutcome::kTimedOut,
                                    RunOutcome::kMemoryExceeded, RunOutcome::kCancelled,
                                    RunOutcome::kRefused};
constexpr size_t kMaxMessageBytes = 4096;
constexpr size_t kMaxIdBytes = 128;
constexpr size_t kMaxCursorBytes = 512;

base::Result<int64_t> Bounded(const Json& json, const char* key, int64_t low, int64_t high) {
  const Json& member = Member(json, key);
  if (!member.is_number_integer()) return BadField(key, "must be a whole number");
  const int64_t value = member.get<int64_t>();
  if (value < low || value > high) {
    return BadField(key, "must be from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

base::Result<std::string> Id(const Json& json, const char* key) {
  std::string id = StringOr(json, key);
  if (id.empty() || id.size() > kMaxIdBytes) return BadField(key, "must be 1 to 128 characters");
  return id;
}

base::Result<std::string> Stream(const Json& json, const char* key, int64_t max_output_bytes) {
  auto bytes = Base64Decode(StringOr(json, key));
  if (!bytes) return BadField(key, "is not base64");
  // The mark stands on a line of its own.
  const size_t limit = static_cast<size_t>(max_output_bytes) + sizeof kTruncationMark + 1;
  if (bytes->size() > limit) return BadField(key, "is longer than the run's output limit");
  return *std::move(bytes);
}

base::Status ReadCode(const Json& json, RunRequest* request) {
  const auto language = ParseLanguage(StringOr(json, "language"));
  if (!language) return BadField("language", "must be python, javascript or shell");
  request->language = *language;
  auto code = Base64Decode(StringOr(json, "code"));
  if (!code || code->empty()) return BadField("code", "must be base64 and not empty");
  request->code = *std::move(code);
  return base::Status::Ok();
}

// What the path means is the file operation's own business; here only its size counts.
base::Status ReadPath(const Json& json, RunRequest* request) {
  const Json& path = Member(json, "path");
  if (!path.is_string()) return BadField("path", "must be text");
  request->path = path.get<std::string>();
  if (request->path.size() > kMaxPathBytes) return BadField("path", "must be at most 4096 bytes");
  return base::Status::Ok();
}

base::Status ReadWrite(const Json& json, RunRequest* request) {
  const Json& encoded = Member(json, "content");
  auto content = encoded.is_string() ? Base64Decode(encoded.get_ref<const std::string&>())
                                     : std::optional<std::string>();
  if (!content) return BadField("content", "must be base64");
  if (content->size() > kMaxContentBytes)
    return BadField("content", "must be at most 524288 bytes");
  request->content = *std::move(content);
  const Json& append = Member(json, "append");
  if (!append.is_boolean()) return BadField("append", "must be true or false");
  request->append = append.get<bool>();
  if (json.contains("mode")) {
    const auto mode = Bounded(json, "mode", 0, 0777);
    if (!mode.ok()) return mode.status();
    request->mode = static_cast<uint32_t>(*mode);
  }
  return ReadPath(json, request);
}

base::Status ReadList(const Json& json, RunRequest* request) {
  const auto limit = Bounded(json, "limit", 1, kMaxListLimit);
  if (!limit.ok()) return limit.status();
  request->limit = *limit;
  if (const Json& cursor = Member(json, "cursor"); !cursor.is_null()) {
    if (!cursor.is_string()) return BadField("cursor", "must be text");
    request->cursor = cursor.get<std::string>();
    if (request->cursor.size() > kMaxCursorBytes) return BadField("cursor", "is no cursor");
  }
  return ReadPath(json, request);
}

base::Status ReadInstall(const Json& json, RunRequest* request) {
  auto install = InstallRequestFromJson(Member(json, "install"));
  if (!install.ok()) return install.status();
  request->install = std::move(install).value();
  if (!request->network) return BadField("network", "is missing: an install cannot do without");
  return base::Status::Ok();
}

base::Status ReadNetwork(const Json& json, RunRequest* request) {
  const Json& member = Member(json, "network");
  if (member.is_null()) return base::Status::Ok();
  auto network = RunNetworkFromJson(member);
  if (!network.ok()) return network.status();
  request->network = std::move(network).value();
  return base::Status::Ok();
}

base::Status ReadOperation(const Json& json, RunRequest* request) {
  const auto operation = ParseOperation(StringOr(json, "operation"));
  if (!operation) return BadField("operation", "is unknown");
  request->operation = *operation;
  if (base::Status read = ReadNetwork(json, request); !read.ok()) return read;
  if (request->network && IsFileOperation(*operation)) {
    return BadField("network", "a file operation has no use for it");
  }
  switch (*operation) {
    case Operation::kExecute:
      return ReadCode(json, request);
    case Operation::kInstallPackage:
      return ReadInstall(json, request);
    case Operation::kWriteFile:
      return ReadWrite(json, request);
    case Operation::kReadFile:
      return ReadPath(json, request);
    case Operation::kListFiles:
      return ReadList(json, request);
  }
  return BadField("operation", "is unknown");
}

Json FilesToJson(const std::vector<FileEntry>& files) {
  Json list = Json::array();
  for (const FileEntry& file : files) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(file.mtime.time_since_epoch());
    list.push_back({{"name", Base64Encode(file.Bytes())},
                    {"type", FileTypeName(file.type)},
                    {"size", file.size},
                    {"mtime", seconds.count()}});
  }
  return list;
}

base::Result<FileEntry> FileFromJson(const Json& json) {
  const auto name = Base64Decode(StringOr(json, "name"));
  if (!name || name->empty() || name->size() > kMaxNameBytes || *name == "." || *name == ".." ||
      name->find('/') != std::string::npos || name->find('\0') != std::string::npos) {
    return BadField("files", "one has a name that no file can have");
  }
  const auto type = ParseFileType(StringOr(json, "type"));
  if (!type) return BadField("files", "one has an unknown type");
  return MakeFileEntry(*name, *type, IntOr(json, "size"), IntOr(json, "mtime"));
}

// A page: in the order of bytes, and within its limits.
base::Status ReadFiles(const Json& json, RunState* state) {
  const Json& list = Member(json, "files");
  if (!list.is_null() && !list.is_array()) return BadField("files", "must be a list");
  if (list.size() > static_cast<size_t>(kMaxListLimit)) return BadField("files", "are too many");
  size_t cost = 0;
  std::string before;
  for (const Json& one : list) {
    auto file = FileFromJson(one);
    if (!file.ok()) return file.status();
    const std::string name = file->Bytes();
    if (name <= before) return BadField("files", "are not in order");
    before = name;
    cost += CostInJson(*file);
    state->files.push_back(std::move(file).value());
  }
  if (cost > kMaxListBytes) return BadField("files", "are too long");
  state->files_truncated = BoolOr(json, "filesTruncated");
  state->files_cursor = StringOr(json, "filesCursor");
  const std::string want = state->files_truncated ? ListCursor(before) : "";
  if (state->files_cursor != want) return BadField("filesCursor", "is not that of the last entry");
  return base::Status::Ok();
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
  Json json = {{"bootId", request.boot_id},
               {"operation", OperationName(request.operation)},
               {"timeoutMillis", request.timeout_millis},
               {"graceMillis", request.grace_millis},
               {"memoryBytes", request.memory_bytes},
               {"outputBytes", request.output_bytes}};
  if (request.network) json["network"] = ToJson(*request.network);
  switch (request.operation) {
    case Operation::kExecute:
      json["language"] = LanguageName(request.language);
      json["code"] = Base64Encode(request.code);
      break;
    case Operation::kInstallPackage:
      if (request.install) json["install"] = ToJson(*request.install);
      break;
    case Operation::kWriteFile:
      json["path"] = request.path;
      json["content"] = Base64Encode(request.content);
      json["append"] = request.append;
      if (request.mode) json["mode"] = *request.mode;
      break;
    case Operation::kReadFile:
      json["path"] = request.path;
      break;
    case Operation::kListFiles:
      json["path"] = request.path;
      json["limit"] = request.limit;
      if (!request.cursor.empty()) json["cursor"] = request.cursor;
      break;
  }
  return json;
}

base::Result<RunRequest> RunRequestFromJson(const Json& json) {
  RunRequest request;
  auto boot_id = Id(json, "bootId");
  if (!boot_id.ok()) return boot_id.status();
  request.boot_id = *boot_id;
  if (base::Status read = ReadOperation(json, &request); !read.ok()) return read;
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
  if (!state.error_code.empty()) json["errorCode"] = state.error_code;
  if (!state.files.empty()) json["files"] = FilesToJson(state.files);
  if (state.files_truncated) {
    json["filesTruncated"] = true;
    json["filesCursor"] = state.files_cursor;
  }
  if (!state.packages.empty()) json["packages"] = ToJson(state.packages);
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
  if (!known) return BadField("outcome", "is unknown");
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
  state.error_code = StringOr(json, "errorCode");
  if (!state.error_code.empty() && !ParseFileError(state.error_code)) {
    return BadField("errorCode", "is unknown");
  }
  if (base::Status files = ReadFiles(json, &state); !files.ok()) return files;
  auto packages = PackagesFromJson(Member(json, "packages"));
  if (!packages.ok()) return packages.status();
  state.packages = std::move(packages).value();
  return state;
}

}  // namespace sandgate::api
