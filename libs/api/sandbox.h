// The Sandbox kind (crds/sandboxes.yaml).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/meta.h"

namespace sandgate::api {

enum class Language { kPython, kJavaScript, kShell };

const char* LanguageName(Language language);  // "python", "javascript", "shell"
std::optional<Language> ParseLanguage(std::string_view name);

struct SandboxSpec {
  std::optional<Language> language;  // exactly one of language and image
  std::string image;
  // What is absent comes from the policy's security.sandbox.limits. Quantities, as written.
  std::string memory, cpu, disk;
  std::optional<bool> network_enabled;  // absent: the policy's network.enabled_by_default
  std::vector<std::string> allowed_domains;
  std::optional<int64_t> timeout_seconds;
  std::optional<int64_t> output_bytes;
  std::optional<int64_t> idle_timeout_seconds;
  std::optional<int64_t> ttl_seconds;
  bool shared = false;
  Requester requester;
};

// spec over the policy's defaults, under its ceilings: what the sandbox really has.
struct EffectiveLimits {
  int64_t memory_bytes = 0;
  int64_t cpu_millis = 0;
  int64_t disk_bytes = 0;
  int64_t timeout_seconds = 0;
  int64_t output_bytes = 0;  // a stream
  std::string image;
  bool network_enabled = false;
  std::vector<std::string> allowed_domains;

  bool operator==(const EffectiveLimits&) const = default;
};

Json ToJson(const EffectiveLimits& limits);
std::optional<EffectiveLimits> EffectiveFromJson(const Json& json);  // nullopt: not an object

enum class SandboxPhase { kPending, kReady, kFailed, kTerminating };
const char* SandboxPhaseName(SandboxPhase phase);

struct SandboxStatus {
  int64_t observed_generation = 0;
  std::optional<SandboxPhase> phase;  // absent: not yet seen by the operator
  std::string pod_name, pod_ip, pod_uid, image_id;
  std::string runner_boot_id;  // this start of the runner in the pod
  std::optional<EffectiveLimits> effective;
  Conditions conditions;
};

struct Sandbox {
  ObjectMeta meta;
  SandboxSpec spec;
  SandboxStatus status;

  static base::Result<Sandbox> FromJson(const Json& json);
};

Json ToJson(const SandboxStatus& status);

// Reads a Kubernetes quantity ("512Mi", "0.5", "500m", "1e3") as thousandths, rounded up.
// nullopt: malformed, negative, or above 2^53.
std::optional<int64_t> QuantityMillis(std::string_view text);
// The same in whole units (bytes), rounded up.
std::optional<int64_t> QuantityUnits(std::string_view text);

}  // namespace sandgate::api
