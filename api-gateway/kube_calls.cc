#include "api-gateway/kube_calls.h"

#include "api-gateway/gunzip.h"
#include "libs/api/runner_protocol.h"
#include "libs/base/ids.h"
#include "libs/base/log.h"

namespace sandgate::gateway {
namespace {

using base::Code;

constexpr int kCreateAttempts = 3;

// The call may have had its effect, or certainly had none: the same name can be tried again.
bool MayTryAgain(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded || code == Code::kInternal;
}

CallError Taken(const std::string& name) {
  return {409, "IdempotencyConflict",
          "the idempotency key was used for another call (" + name + "); use a new key",
          "Idempotency-Key"};
}

base::Result<api::Execution> ParseExecution(const base::Result<api::Json>& json) {
  if (!json.ok()) return json.status();
  return api::Execution::FromJson(*json);
}

}  // namespace

std::variant<KubeCalls::Made, CallError> KubeCalls::CreateOrAdopt(const kube::Api& api,
                                                                  const kube::Resource& resource,
                                                                  const std::string& ns,
                                                                  const api::Json& wanted) const {
  const std::string name = api::StringOr(api::Member(wanted, "metadata"), "name");
  base::Status last;
  for (int attempt = 0; attempt < kCreateAttempts; ++attempt) {
    base::Result<api::Json> created = api.Create(resource, ns, wanted);
    if (created.ok()) return Made{std::move(created).value(), true};
    last = created.status();
    if (last.code() == Code::kAlreadyExists) {
      // Our own lost answer, a call with the same key, or a stranger's object.
      base::Result<api::Json> existing = api.Get(resource, ns, name);
      if (existing.ok() && !SameRequest(*existing, wanted)) return Taken(name);
      if (existing.ok() && api::MetaFromJson(*existing).deleting()) {
        return CallError{409, "Conflict", name + " is being deleted; use a new idempotency key",
                         "Idempotency-Key"};
      }
      if (existing.ok()) return Made{std::move(existing).value(), false};
      last = existing.status();
      if (last.code() == Code::kNotFound) continue;  // gone in between: create it
    }
    if (!MayTryAgain(last.code())) break;
  }
  return FromStatus(last);
}

std::variant<api::Execution, KubeCalls::NoSandbox, CallError> KubeCalls::Execute(
    const CallContext& context, const ExecutionCall& call, const CallNames& names) const {
  const kube::Api api = own_.WithToken(context.caller.token);
  const std::string& named = SandboxIdOf(call);
  const std::string sandbox = named.empty() ? names.new_sandbox : named;
  const api::Json wanted =
      ExecutionFor(call, names.execution, context.ns, sandbox, context.caller.who);
  // First what the key has made before: a finished call's sandbox may be gone by now, and must not
  // be made anew.
  if (!context.idempotency_key.empty()) {
    base::Result<api::Json> before = api.Get(kube::kExecutions, context.ns, names.execution);
    if (before.ok()) {
      if (!SameRequest(*before, wanted)) return Taken(names.execution);
      const auto execution = ParseExecution(before);
      if (!execution.ok()) return FromStatus(execution.status());
      return *execution;
    }
    if (before.status().code() != Code::kNotFound) return FromStatus(before.status());
  }
  api::Json new_sandbox;
  if (named.empty()) {
    auto made = CreateOrAdopt(
        api, kube::kSandboxes, context.ns,
        SandboxFor(std::get<CodeExecute>(call), sandbox, context.ns, context.caller.who));
    if (const auto* error = std::get_if<CallError>(&made)) return *error;
    if (std::get<Made>(made).created) new_sandbox = std::move(std::get<Made>(made).object);
  } else {
    const base::Result<api::Json> there = api.Get(kube::kSandboxes, context.ns, sandbox);
    const bool gone = there.ok() ? api::MetaFromJson(*there).deleting()
                                 : there.status().code() == Code::kNotFound;
    if (gone) {
      const auto asked = ParseExecution(wanted);
      if (!asked.ok()) return FromStatus(asked.status());
      return NoSandbox{*asked};
    }
    if (!there.ok()) return FromStatus(there.status());
  }
  auto made = CreateOrAdopt(api, kube::kExecutions, context.ns, wanted);
  if (const auto* error = std::get_if<CallError>(&made)) {
    // Refused for good: nothing of this call stays. Where the outcome is unknown the Sandbox stays
    // too (its idle timeout cleans up), since the Execution may be there.
    if (!new_sandbox.is_null() && error->status != 503) {
      kube::DeleteOptions options;
      options.uid = api::MetaFromJson(new_sandbox).uid;
      const base::Status deleted = api.Delete(kube::kSandboxes, context.ns, sandbox, options);
      if (!deleted.ok()) {
        base::LogWarning("the sandbox of a refused call stays until its idle timeout",
                         {{"sandbox", context.ns + "/" + sandbox}, {"error", deleted.message()}});
      }
    }
    return *error;
  }
  const auto execution = ParseExecution(std::get<Made>(made).object);
  if (!execution.ok()) return FromStatus(execution.status());
  return *execution;
}

std::variant<bool, CallError> KubeCalls::Destroy(const CallContext& context,
                                                 const DestroySandbox& call) const {
  const kube::Api api = own_.WithToken(context.caller.token);
  const base::Result<api::Json> there = api.Get(kube::kSandboxes, context.ns, call.sandbox_id);
  if (!there.ok()) {
    if (there.status().code() == Code::kNotFound) return false;
    return FromStatus(there.status());
  }
  const api::ObjectMeta meta = api::MetaFromJson(*there);
  if (meta.deleting()) return false;
  kube::DeleteOptions options;
  options.uid = meta.uid;
  const base::Status deleted = api.Delete(kube::kSandboxes, context.ns, call.sandbox_id, options);
  if (deleted.ok()) return true;
  if (deleted.code() == Code::kNotFound) return false;
  return FromStatus(deleted);
}

base::Result<api::Execution> KubeCalls::Read(const CallContext& context,
                                             const std::string& name) const {
  return ParseExecution(
      own_.WithToken(context.caller.token).Get(kube::kExecutions, context.ns, name));
}

std::optional<std::string> KubeCalls::Output(const api::Execution& execution,
                                             const api::OutputRef& ref) const {
  constexpr size_t kMaxConfigMaps = 32;
  constexpr int64_t kMaxBytes = api::kMaxOutputBytes + 64;  // and the truncation mark
  if (ref.config_maps.size() > kMaxConfigMaps || ref.bytes < 0 || ref.bytes > kMaxBytes) {
    return std::nullopt;
  }
  std::string packed;
  for (const std::string& name : ref.config_maps) {
    const base::Result<api::Json> map = own_.Get(kube::kConfigMaps, execution.meta.ns, name);
    if (!map.ok()) {
      base::LogWarning("a part of an output cannot be read",
                       {{"execution", execution.meta.ns + "/" + execution.meta.name},
                        {"error", map.status().message()}});
      return std::nullopt;
    }
    if (!api::MetaFromJson(*map).OwnedBy(execution.meta.uid)) return std::nullopt;
    for (const auto& [key, value] : api::Member(*map, "binaryData").items()) {
      if (!value.is_string()) return std::nullopt;
      const auto bytes = api::Base64Decode(value.get_ref<const std::string&>());
      if (!bytes) return std::nullopt;
      packed += *bytes;
    }
  }
  std::optional<std::string> text = Gunzip(packed, static_cast<size_t>(ref.bytes));
  if (!text || base::Sha256Hex(*text) != ref.sha256) return std::nullopt;
  return text;
}

WholeOutputs KubeCalls::Outputs(const api::Execution& execution) const {
  WholeOutputs whole;
  if (execution.status.stdout_ref) whole.out = Output(execution, *execution.status.stdout_ref);
  if (execution.status.stderr_ref) whole.err = Output(execution, *execution.status.stderr_ref);
  return whole;
}

}  // namespace sandgate::gateway
