#include "operator/output_store.h"

#include <zlib.h>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "operator/file_logic.h"
#include "operator/settings.h"
#include "operator/text.h"

namespace sandgate::op {
namespace {

// RFC 1952 by zlib.
std::string Gzip(const std::string& text) {
  constexpr int kGzipWindow = 15 + 16;
  constexpr int kMemoryLevel = 8;
  z_stream stream = {};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return "";
  }
  std::string packed(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

api::Json ConfigMap(const api::Execution& execution, const std::string& name,
                    const std::string& bytes) {
  const api::OwnerReference owner{api::kApiVersion, "Execution", execution.meta.name,
                                  execution.meta.uid, true};
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"immutable", true},
          {"metadata",
           {{"namespace", execution.meta.ns},
            {"name", name},
            {"labels", {{kManagedByLabel, kManagedBy}}},
            {"ownerReferences", api::Json::array({api::OwnerToJson(owner)})}}},
          {"binaryData", {{"data", api::Base64Encode(bytes)}}}};
}

// What is there already must be what we would have written.
base::Status CheckExisting(const api::Json& wanted, const Cluster& cluster) {
  const api::Json& meta = api::Member(wanted, "metadata");
  const auto found = cluster.api().Get(kube::kConfigMaps, api::StringOr(meta, "namespace"),
                                       api::StringOr(meta, "name"));
  if (!found.ok()) return found.status();
  const std::string uid = api::StringOr(api::Member(meta, "ownerReferences")[0], "uid");
  const bool same = api::MetaFromJson(*found).OwnedBy(uid) &&
                    api::Member(*found, "binaryData") == api::Member(wanted, "binaryData");
  if (same) return base::Status::Ok();
  return base::Status(base::Code::kAlreadyExists,
                      "ConfigMap " + api::StringOr(meta, "name") + " is somebody else's");
}

// Trying again would change nothing.
bool Final(base::Code code) {
  return code == base::Code::kPermissionDenied || code == base::Code::kInvalidArgument ||
         code == base::Code::kAlreadyExists || code == base::Code::kResourceExhausted;
}

base::Status Write(const StreamPlan& plan, Cluster* cluster) {
  for (const api::Json& map : plan.maps) {
    base::Status status = cluster->Create(kube::kConfigMaps, map).status();
    if (status.code() == base::Code::kAlreadyExists) status = CheckExisting(map, *cluster);
    if (!status.ok()) return status.WithContext("storing the output");
  }
  return base::Status::Ok();
}

// A part of a file would be taken for the whole.
void FailUnstored(const base::Status& why, const api::Execution& execution,
                  api::ExecutionStatus* status) {
  const std::string message =
      "The file was read, but a file of this size could not be stored: " + why.message() + ".";
  status->phase = api::ExecutionPhase::kFailed;
  status->error = api::ExecutionError{"OutputNotStored", message};
  api::SetCondition(&status->conditions,
                    {"Finished", "True", api::PhaseName(*status->phase), message, std::nullopt},
                    status->completion_time.value_or(base::Time()));
  base::LogWarning(
      "a file that was read could not be stored",
      {{"execution", execution.meta.ns + "/" + execution.meta.name}, {"error", why.ToString()}});
}

base::Status StoreFile(const api::Execution& execution, const api::RunState& state,
                       Cluster* cluster, api::ExecutionStatus* status) {
  const bool read = execution.spec.operation == api::Operation::kReadFile;
  if (!read || status->phase != api::ExecutionPhase::kSucceeded) return base::Status::Ok();
  const FileText file = TextOf(state.out, execution.spec.encoding);
  StreamPlan plan = PlanText(execution, "stdout", file.text);
  const base::Status wrote = Write(plan, cluster);
  if (!wrote.ok() && !Final(wrote.code())) return wrote;
  if (!wrote.ok()) {
    FailUnstored(wrote, execution, status);
    return base::Status::Ok();
  }
  status->out = std::move(plan.inline_text);
  status->stdout_ref = std::move(plan.ref);
  status->content_encoding = file.encoding;
  return wrote;
}

}  // namespace

StreamPlan PlanStream(const api::Execution& execution, const std::string& stream,
                      const std::string& bytes) {
  bool replaced = false;
  StreamPlan plan = PlanText(execution, stream, api::ToUtf8(bytes, &replaced));
  plan.replaced = replaced;
  return plan;
}

StreamPlan PlanText(const api::Execution& execution, const std::string& stream,
                    const std::string& text) {
  StreamPlan plan;
  plan.inline_text = CutUtf8(text, kInlineOutputBytes);
  if (text.size() <= kInlineOutputBytes) return plan;
  const std::string packed = Gzip(text);
  plan.ref = api::OutputRef{{}, base::Sha256Hex(text), static_cast<int64_t>(text.size())};
  for (size_t at = 0; at < packed.size(); at += kConfigMapBytes) {
    const std::string name = "sgout-" + execution.meta.uid + "-" + stream + "-" +
                             std::to_string(plan.ref->config_maps.size());
    plan.maps.push_back(ConfigMap(execution, name, packed.substr(at, kConfigMapBytes)));
    plan.ref->config_maps.push_back(name);
  }
  return plan;
}

base::Status StoreOutput(const api::Execution& execution, const api::RunState& state,
                         Cluster* cluster, api::ExecutionStatus* status) {
  if (api::IsFileOperation(execution.spec.operation)) {
    return StoreFile(execution, state, cluster, status);
  }
  StreamPlan out = PlanStream(execution, "stdout", state.out);
  StreamPlan err = PlanStream(execution, "stderr", state.err);
  base::Status wrote = Write(out, cluster);
  if (wrote.ok()) wrote = Write(err, cluster);
  if (!wrote.ok() && !Final(wrote.code())) return wrote;
  status->out = std::move(out.inline_text);
  status->err = std::move(err.inline_text);
  status->stdout_replaced = out.replaced;
  status->stderr_replaced = err.replaced;
  status->stdout_truncated = state.out_truncated;
  status->stderr_truncated = state.err_truncated;
  if (wrote.ok()) {
    status->stdout_ref = std::move(out.ref);
    status->stderr_ref = std::move(err.ref);
    return wrote;
  }
  // Refused for good (a quota, somebody else's object): what stands inline is all that is kept,
  // and it says so. An Execution that never ended would be worse.
  status->stdout_truncated |= out.ref.has_value();
  status->stderr_truncated |= err.ref.has_value();
  base::LogWarning(
      "long output could not be stored; its beginning is kept",
      {{"execution", execution.meta.ns + "/" + execution.meta.name}, {"error", wrote.ToString()}});
  return base::Status::Ok();
}

}  // namespace sandgate::op
