#include <cmath>

#include "libs/policy/policy.h"

namespace sandgate::policy {
namespace {

constexpr int64_t kMebi = 1024 * 1024;

base::Status Bad(const std::string& message) {
  return base::Status(base::Code::kInvalidArgument, message);
}

base::Status Above(const std::string& field, const std::string& asked, const std::string& ceiling,
                   const std::string& key) {
  return Bad(field + ": " + asked + " is above this deployment's ceiling of " + ceiling +
             " (security.sandbox.max_limits." + key + ")");
}

// A quantity of the spec, or the policy's default; in [1, ceiling].
struct Field {
  const char* name;
  const char* key;
  const std::string& text;
  int64_t fallback;
  int64_t ceiling;
  std::string ceiling_text;
};

base::Result<int64_t> Resolve(const Field& field,
                              std::optional<int64_t> (*parse)(std::string_view)) {
  if (field.text.empty()) return field.fallback;
  const std::optional<int64_t> value = parse(field.text);
  if (!value || *value <= 0) {
    return Bad(std::string(field.name) + ": \"" + field.text.substr(0, 32) +
               "\" is no quantity above 0, for example " + field.ceiling_text);
  }
  if (*value > field.ceiling) {
    return Above(field.name, field.text, field.ceiling_text, field.key);
  }
  return *value;
}

base::Result<int64_t> Resolve(const char* name, const char* key, std::optional<int64_t> asked,
                              int64_t fallback, int64_t ceiling) {
  if (!asked) return fallback;
  if (*asked < 1) return Bad(std::string(name) + ": must be at least 1");
  if (*asked > ceiling) return Above(name, std::to_string(*asked), std::to_string(ceiling), key);
  return *asked;
}

bool ImageAllowed(const SandboxSettings& settings, const std::string& image) {
  for (const auto& [language, known] : settings.images) {
    if (image == known) return true;
  }
  for (const std::string& allowed : settings.allowed_images) {
    if (image == allowed) return true;
    // "registry.example/tools/*": the beginning counts.
    if (allowed.back() == '*' && image.starts_with(allowed.substr(0, allowed.size() - 1))) {
      return true;
    }
  }
  return false;
}

base::Result<std::string> ImageOf(const SandboxSettings& settings, const api::SandboxSpec& spec) {
  if (spec.language) {
    const auto found = settings.images.find(*spec.language);
    if (found != settings.images.end()) return found->second;
    return Bad("spec.language: this deployment has no image for " +
               std::string(api::LanguageName(*spec.language)) + " (security.sandbox.languages)");
  }
  if (ImageAllowed(settings, spec.image)) return spec.image;
  return Bad("spec.image: " + spec.image +
             " is not among this deployment's images (security.sandbox.allowed_images)");
}

}  // namespace

base::Result<api::EffectiveLimits> Effective(const SandboxSettings& settings,
                                             const api::SandboxSpec& spec) {
  const Limits& low = settings.limits;
  const Limits& high = settings.max_limits;
  const auto millis = [](double cores) { return std::llround(cores * 1000); };
  const auto memory =
      Resolve({"spec.resources.memory", "max_memory_mb", spec.memory, low.memory_mb * kMebi,
               high.memory_mb * kMebi, std::to_string(high.memory_mb) + "Mi"},
              api::QuantityUnits);
  if (!memory.ok()) return memory.status();
  const auto cpu = Resolve({"spec.resources.cpu", "max_cpu_cores", spec.cpu, millis(low.cpu_cores),
                            millis(high.cpu_cores), std::to_string(millis(high.cpu_cores)) + "m"},
                           api::QuantityMillis);
  if (!cpu.ok()) return cpu.status();
  const auto disk = Resolve({"spec.resources.disk", "max_disk_mb", spec.disk, low.disk_mb * kMebi,
                             high.disk_mb * kMebi, std::to_string(high.disk_mb) + "Mi"},
                            api::QuantityUnits);
  if (!disk.ok()) return disk.status();
  const auto seconds = Resolve("spec.limits.timeoutSeconds", "max_execution_time",
                               spec.timeout_seconds, low.execution_seconds, high.execution_seconds);
  if (!seconds.ok()) return seconds.status();
  const auto output = Resolve("spec.limits.outputBytes", "max_output_bytes", spec.output_bytes,
                              low.output_bytes, high.output_bytes);
  if (!output.ok()) return output.status();
  auto image = ImageOf(settings, spec);
  if (!image.ok()) return image.status();

  api::EffectiveLimits limits;
  limits.memory_bytes = *memory;
  limits.cpu_millis = *cpu;
  limits.disk_bytes = *disk;
  limits.timeout_seconds = *seconds;
  limits.output_bytes = *output;
  limits.image = std::move(image).value();
  limits.network_enabled = spec.network_enabled.value_or(settings.network_enabled_by_default);
  limits.allowed_domains = spec.allowed_domains;
  return limits;
}

base::Result<std::chrono::seconds> EffectiveTimeout(const SandboxSettings& settings,
                                                    const api::EffectiveLimits& sandbox,
                                                    const api::ExecutionSpec& spec) {
  const auto seconds = Resolve("spec.timeoutSeconds", "max_execution_time", spec.timeout_seconds,
                               sandbox.timeout_seconds, settings.max_limits.execution_seconds);
  if (!seconds.ok()) return seconds.status();
  // A policy that became stricter holds for sandboxes made before it, too.
  return std::chrono::seconds(std::min(*seconds, settings.max_limits.execution_seconds));
}

}  // namespace sandgate::policy
