#include "libs/api/sandbox.h"

namespace sandgate::api {
namespace {

std::optional<int64_t> OptionalInt(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  return member.is_number_integer() ? std::optional(member.get<int64_t>()) : std::nullopt;
}

// A quantity may be written as a number or as a string.
std::string QuantityText(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (member.is_string()) return member.get<std::string>();
  return member.is_number_integer() ? std::to_string(member.get<int64_t>()) : "";
}

base::Result<SandboxSpec> SpecFromJson(const Json& json) {
  SandboxSpec spec;
  if (const Json& language = Member(json, "language"); !language.is_null()) {
    spec.language = ParseLanguage(StringOr(json, "language"));
    if (!spec.language) {
      return base::Status(base::Code::kInvalidArgument,
                          "spec.language: must be python, javascript or shell");
    }
  }
  spec.image = StringOr(json, "image");
  if (spec.language.has_value() == !spec.image.empty()) {
    return base::Status(base::Code::kInvalidArgument,
                        "spec: exactly one of language and image must be set");
  }
  const Json& resources = Member(json, "resources");
  spec.memory = QuantityText(resources, "memory");
  spec.cpu = QuantityText(resources, "cpu");
  spec.disk = QuantityText(resources, "disk");
  const Json& network = Member(json, "network");
  if (network.is_object() && network.contains("enabled")) {
    spec.network_enabled = BoolOr(network, "enabled");
  }
  spec.allowed_domains = StringsFromJson(Member(network, "allowedDomains"));
  const Json& limits = Member(json, "limits");
  spec.timeout_seconds = OptionalInt(limits, "timeoutSeconds");
  spec.output_bytes = OptionalInt(limits, "outputBytes");
  const Json& lifecycle = Member(json, "lifecycle");
  spec.idle_timeout_seconds = OptionalInt(lifecycle, "idleTimeoutSeconds");
  spec.ttl_seconds = OptionalInt(lifecycle, "ttlSeconds");
  spec.shared = BoolOr(json, "shared");
  spec.requester = RequesterFromJson(Member(json, "requester"));
  return spec;
}

std::optional<SandboxPhase> ParseSandboxPhase(std::string_view name) {
  for (const SandboxPhase phase : {SandboxPhase::kPending, SandboxPhase::kReady,
                                   SandboxPhase::kFailed, SandboxPhase::kTerminating}) {
    if (name == SandboxPhaseName(phase)) return phase;
  }
  return std::nullopt;
}

SandboxStatus StatusFromJson(const Json& json) {
  SandboxStatus status;
  status.observed_generation = IntOr(json, "observedGeneration");
  status.phase = ParseSandboxPhase(StringOr(json, "phase"));
  status.pod_name = StringOr(json, "podName");
  status.pod_ip = StringOr(json, "podIP");
  status.pod_uid = StringOr(json, "podUID");
  status.image_id = StringOr(json, "imageID");
  status.runner_boot_id = StringOr(json, "runnerBootID");
  status.effective = EffectiveFromJson(Member(json, "effective"));
  status.conditions = ConditionsFromJson(Member(json, "conditions"));
  return status;
}

// Bytes as people write them, where nothing is lost by it.
std::string BytesText(int64_t bytes) {
  constexpr int64_t kMi = 1024 * 1024;
  return bytes % kMi == 0 ? std::to_string(bytes / kMi) + "Mi" : std::to_string(bytes);
}

}  // namespace

const char* LanguageName(Language language) {
  switch (language) {
    case Language::kPython:
      return "python";
    case Language::kJavaScript:
      return "javascript";
    case Language::kShell:
      return "shell";
  }
  return "";
}

std::optional<Language> ParseLanguage(std::string_view name) {
  for (const Language language : {Language::kPython, Language::kJavaScript, Language::kShell}) {
    if (name == LanguageName(language)) return language;
  }
  return std::nullopt;
}

const char* SandboxPhaseName(SandboxPhase phase) {
  switch (phase) {
    case SandboxPhase::kPending:
      return "Pending";
    case SandboxPhase::kReady:
      return "Ready";
    case SandboxPhase::kFailed:
      return "Failed";
    case SandboxPhase::kTerminating:
      return "Terminating";
  }
  return "";
}

std::optional<EffectiveLimits> EffectiveFromJson(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  EffectiveLimits limits;
  limits.memory_bytes = QuantityUnits(QuantityText(json, "memory")).value_or(0);
  limits.cpu_millis = QuantityMillis(QuantityText(json, "cpu")).value_or(0);
  limits.disk_bytes = QuantityUnits(QuantityText(json, "disk")).value_or(0);
  limits.timeout_seconds = IntOr(json, "timeoutSeconds");
  limits.output_bytes = IntOr(json, "outputBytes");
  limits.image = StringOr(json, "image");
  limits.network_enabled = BoolOr(json, "networkEnabled");
  limits.allowed_domains = StringsFromJson(Member(json, "allowedDomains"));
  return limits;
}

Json ToJson(const EffectiveLimits& limits) {
  return {
      {"memory", BytesText(limits.memory_bytes)}, {"cpu", std::to_string(limits.cpu_millis) + "m"},
      {"disk", BytesText(limits.disk_bytes)},     {"timeoutSeconds", limits.timeout_seconds},
      {"outputBytes", limits.output_bytes},       {"image", limits.image},
      {"networkEnabled", limits.network_enabled}, {"allowedDomains", limits.allowed_domains}};
}

base::Result<Sandbox> Sandbox::FromJson(const Json& json) {
  Sandbox sandbox;
  sandbox.meta = MetaFromJson(json);
  base::Result<SandboxSpec> spec = SpecFromJson(Member(json, "spec"));
  if (!spec.ok()) return spec.status();
  sandbox.spec = std::move(spec).value();
  sandbox.status = StatusFromJson(Member(json, "status"));
  return sandbox;
}

Json ToJson(const SandboxStatus& status) {
  Json json = {{"observedGeneration", status.observed_generation}};
  if (status.phase) json["phase"] = SandboxPhaseName(*status.phase);
  const auto put = [&json](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  put("podName", status.pod_name);
  put("podIP", status.pod_ip);
  put("podUID", status.pod_uid);
  put("imageID", status.image_id);
  put("runnerBootID", status.runner_boot_id);
  if (status.effective) json["effective"] = ToJson(*status.effective);
  json["conditions"] = ToJson(status.conditions);
  return json;
}

}  // namespace sandgate::api
