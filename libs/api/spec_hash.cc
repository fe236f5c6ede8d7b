#include "libs/api/spec_hash.h"

#include "libs/base/ids.h"

namespace sandgate::api {
namespace {

constexpr char kVersionTag[] = "sandgate.dev/spec-hash/v1";

// name:length:value; with the length in front no value can look like the next member.
class Canonical {
 public:
  void Add(std::string_view name, std::string_view value) {
    text_.append(name).append(":").append(std::to_string(value.size())).append(":");
    text_.append(value).append("\n");
  }
  void Add(std::string_view name, int64_t value) { Add(name, std::to_string(value)); }
  void Add(std::string_view name, const std::vector<std::string>& values) {
    Add(name, static_cast<int64_t>(values.size()));
    for (const std::string& value : values) Add(name, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void AddSpec(const ExecutionSpec& spec, Canonical* canonical) {
  canonical->Add("sandboxName", spec.sandbox_name);
  canonical->Add("operation", OperationName(spec.operation));
  canonical->Add("timeoutSeconds",
                 spec.timeout_seconds ? std::to_string(*spec.timeout_seconds) : "");
  canonical->Add("network", spec.network_enabled ? 1 : 0);
  canonical->Add("allowedDomains", spec.allowed_domains);
  canonical->Add("requester", spec.requester.username);
  canonical->Add("requesterUID", spec.requester.uid);
  canonical->Add("language", LanguageName(spec.language));
  canonical->Add("code", spec.code);
  canonical->Add("package", spec.package);
  canonical->Add("registry", spec.registry);
  canonical->Add("path", spec.path);
  canonical->Add("content", spec.content);
  // Members that came later stand there only when they are set, so that what was admitted by an
  // older operator still is. The name in front of each keeps them apart.
  if (spec.append) canonical->Add("append", 1);
  if (!spec.mode.empty()) canonical->Add("mode", spec.mode);
  if (!spec.encoding.empty()) canonical->Add("encoding", spec.encoding);
  if (spec.limit) canonical->Add("limit", *spec.limit);
  if (!spec.cursor.empty()) canonical->Add("cursor", spec.cursor);
}

}  // namespace

std::string SpecHash(const Execution& execution, const std::string& sandbox_uid,
                     const EffectiveLimits& limits, const std::string& policy_revision,
                     const std::vector<std::string>& granted_domains) {
  Canonical canonical;
  canonical.Add("version", kVersionTag);
  canonical.Add("executionUID", execution.meta.uid);
  AddSpec(execution.spec, &canonical);
  canonical.Add("sandboxUID", sandbox_uid);
  canonical.Add("image", limits.image);
  canonical.Add("memory", limits.memory_bytes);
  canonical.Add("cpu", limits.cpu_millis);
  canonical.Add("disk", limits.disk_bytes);
  canonical.Add("sandboxTimeout", limits.timeout_seconds);
  canonical.Add("outputBytes", limits.output_bytes);
  canonical.Add("domains", limits.allowed_domains);
  canonical.Add("policyRevision", policy_revision);
  if (!granted_domains.empty()) canonical.Add("grantedDomains", granted_domains);
  return base::Sha256Hex(canonical.text());
}

}  // namespace sandgate::api
