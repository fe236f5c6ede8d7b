#include "api-gateway/objects_logic.h"

#include <cmath>

#include "libs/api/runner_protocol.h"
#include "libs/base/ids.h"

namespace sandgate::gateway {
namespace {

// What the largest content needs as base64: no text may need more.
constexpr size_t kMaxStoredText = (kMaxContentBytes + 2) / 3 * 4;

// With its length, so that no two lists of parts have the same text.
std::string Part(const std::string& text) {
  return std::to_string(text.size()) + ":" + text;
}

api::Json NetworkOf(const CodeExecute& call) {
  api::Json network = {{"enabled", true}};
  if (!call.allowed_domains.empty()) network["allowedDomains"] = call.allowed_domains;
  return network;
}

api::Json RequesterJson(const api::Requester& requester) {
  api::Json json = {{"username", requester.username}};
  if (!requester.uid.empty()) json["uid"] = requester.uid;
  return json;
}

api::Json ObjectFor(const char* kind, const std::string& name, const std::string& ns) {
  return {{"apiVersion", api::kApiVersion},
          {"kind", kind},
          {"metadata", {{"name", name}, {"namespace", ns}}}};
}

void AddLimits(const SandboxLimits& limits, api::Json* spec) {
  api::Json resources = api::Json::object();
  if (limits.max_memory_mb) resources["memory"] = std::to_string(*limits.max_memory_mb) + "Mi";
  if (limits.max_disk_mb) resources["disk"] = std::to_string(*limits.max_disk_mb) + "Mi";
  if (limits.max_cpu_cores) {
    resources["cpu"] = std::to_string(std::llround(*limits.max_cpu_cores * 1000)) + "m";
  }
  if (!resources.empty()) (*spec)["resources"] = resources;
  api::Json run = api::Json::object();
  if (limits.max_execution_time) run["timeoutSeconds"] = *limits.max_execution_time;
  if (limits.max_output_bytes) run["outputBytes"] = *limits.max_output_bytes;
  if (!run.empty()) (*spec)["limits"] = run;
}

// Bytes of the text in JSON as the API server stores it, where `<` costs six.
size_t StoredBytes(std::string_view text) {
  size_t bytes = text.size();
  for (const char c : text) {
    const bool short_escape = c == '\n' || c == '\t' || c == '\r' || c == '"' || c == '\\';
    const bool long_escape =
        static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&';
    if (short_escape) {
      bytes += 1;
    } else if (long_escape) {
      bytes += 5;
    }
  }
  return bytes;
}

void AddOperation(const CodeExecute& call, api::Json* spec) {
  (*spec)["operation"] = "Execute";
  (*spec)["execute"] = {{"language", api::LanguageName(call.language)}, {"code", call.code}};
  if (call.timeout) (*spec)["timeoutSeconds"] = *call.timeout;
  if (call.network_enabled) (*spec)["network"] = NetworkOf(call);
}

void AddOperation(const InstallPackage& call, api::Json* spec) {
  (*spec)["operation"] = "InstallPackage";
  api::Json& install = (*spec)["installPackage"];
  install = {{"package", call.package}};
  if (!call.registry.empty()) install["registry"] = call.registry;
  if (call.timeout) (*spec)["timeoutSeconds"] = *call.timeout;
}

void AddOperation(const WriteFile& call, api::Json* spec) {
  (*spec)["operation"] = "WriteFile";
  api::Json& write = (*spec)["writeFile"];
  write = {{"path", call.file_path}};
  // Text stays text, for those who read it before they approve, unless it might not fit into etcd.
  if (call.is_text && StoredBytes(call.content) <= kMaxStoredText) {
    write["content"] = call.content;
  } else {
    write["contentBase64"] = api::Base64Encode(call.content);
  }
  if (call.append) write["append"] = true;
  if (!call.mode.empty()) write["mode"] = call.mode;
}

void AddOperation(const ReadFile& call, api::Json* spec) {
  (*spec)["operation"] = "ReadFile";
  api::Json& read = (*spec)["readFile"];
  read = {{"path", call.file_path}};
  if (!call.encoding.empty()) read["encoding"] = call.encoding;
}

void AddOperation(const ListFiles& call, api::Json* spec) {
  (*spec)["operation"] = "ListFiles";
  api::Json& list = (*spec)["listFiles"];
  list = api::Json::object();
  if (!call.path.empty()) list["path"] = call.path;
  if (call.limit) list["limit"] = *call.limit;
  if (!call.cursor.empty()) list["cursor"] = call.cursor;
}

// The spec without what the API server or a later cancel writes.
api::Json AskedFor(const api::Json& object) {
  api::Json spec = api::Member(object, "spec");
  if (!spec.is_object()) return spec;
  spec.erase("cancel");
  const std::string username = api::StringOr(api::Member(spec, "requester"), "username");
  spec["requester"] = username;
  return spec;
}

std::string RequestOf(const api::Json& object) {
  const api::Json& metadata = api::Member(object, "metadata");
  return api::StringOr(api::Member(metadata, "annotations"), kRequestAnnotation);
}

}  // namespace

CallNames NamesFor(const std::string& ns, const std::string& username,
                   const std::string& idempotency_key) {
  if (idempotency_key.empty()) {
    return {"execution-" + base::RandomHex(10), "sandbox-" + base::RandomHex(6)};
  }
  const std::string parts = Part(ns) + Part(username) + Part(idempotency_key);
  return {"execution-" + base::Sha256Hex("sandgate-execution-1" + parts).substr(0, 20),
          "sandbox-" + base::Sha256Hex("sandgate-sandbox-1" + parts).substr(0, 12)};
}

api::Json SandboxFor(const CodeExecute& call, const std::string& name, const std::string& ns,
                     const api::Requester& requester) {
  api::Json object = ObjectFor("Sandbox", name, ns);
  api::Json& spec = object["spec"];
  spec = {{"language", api::LanguageName(call.language)}, {"requester", RequesterJson(requester)}};
  if (call.network_enabled) spec["network"] = NetworkOf(call);
  AddLimits(call.limits, &spec);
  return object;
}

api::Json ExecutionFor(const ExecutionCall& call, const std::string& name, const std::string& ns,
                       const std::string& sandbox_name, const api::Requester& requester) {
  api::Json object = ObjectFor("Execution", name, ns);
  api::Json& spec = object["spec"];
  spec = {{"sandboxName", sandbox_name}, {"requester", RequesterJson(requester)}};
  std::visit([&spec](const auto& tool) { AddOperation(tool, &spec); }, call);
  api::Json limits = api::Json::object();
  if (const auto* execute = std::get_if<CodeExecute>(&call)) AddLimits(execute->limits, &limits);
  const std::string asked = api::DumpJson(AskedFor(object)) + api::DumpJson(limits);
  object["metadata"]["annotations"] = {{kRequestAnnotation, base::Sha256Hex(asked)}};
  return object;
}

bool SameRequest(const api::Json& existing, const api::Json& wanted) {
  return AskedFor(existing) == AskedFor(wanted) && RequestOf(existing) == RequestOf(wanted);
}

}  // namespace sandgate::gateway
