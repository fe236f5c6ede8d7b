// The deployment's policy: limits, images and which calls need a human. Pure: text in, judgement
// out; no I/O, no clock. Source of every key and default: the seed's Configuration Reference, Risk
// Levels and Resource Constraints.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/sandbox.h"

namespace sandgate::policy {

// security.sandbox.limits and security.sandbox.max_limits.
struct Limits {
  int64_t memory_mb = 512;
  double cpu_cores = 0.5;
  int64_t disk_mb = 1024;
  int64_t execution_seconds = 30;
  int64_t output_bytes = 1'048'576;  // a stream
};

struct SandboxSettings {
  bool enabled = true;                   // false: every Execution is refused
  std::string runtime_class = "gvisor";  // `runtime: runsc` means this RuntimeClass
  Limits limits;                         // defaults
  Limits max_limits;                     // ceilings
  bool network_enabled_by_default = false;
  std::map<std::string, std::vector<std::string>> allowed_registries;  // hosts by registry
  std::map<std::string, std::string> registry_urls;  // of some: "https://HOST/PATH/"
  std::map<api::Language, std::string> images;       // python, javascript, shell
  std::vector<std::string> allowed_images;           // for Sandbox.spec.image
};

// A tool call as rules see it: parameters by the seed's names.
struct Call {
  std::string tool;                               // "code_execute"
  std::map<std::string, std::string> parameters;  // "code", "language", "package", "file_path", ...
  bool network_enabled = false;
};
// `domains`: those that the run would get, where that is not what the spec names.
Call CallOf(const api::ExecutionSpec& spec, const std::vector<std::string>& domains);
Call CallOf(const api::ExecutionSpec& spec);

struct Assessment {
  api::RiskLevel risk = api::RiskLevel::kCritical;
  std::vector<std::string> reasons;  // every rule that matched; at most 64 of 1,024 bytes
  std::chrono::seconds timeout{30};  // for a human to decide; the shortest among the winners
  bool needs_approval = true;
};

// A policy file, or one layer of a policy.
struct PolicyText {
  std::string yaml;
  std::string file_name;  // what errors call it
};

// Immutable; share it between threads.
class Policy {
 public:
  // kInvalidArgument: `file_name:line: key: what is wrong and what would be right`. Unknown keys
  // are refused (a misspelt `enabled` must not silently mean its default).
  static base::Result<std::shared_ptr<const Policy>> Load(const std::string& yaml,
                                                          const std::string& file_name);
  // Each layer over those before it: mappings merge by key, single values and lists replace, but
  // security.hitl.rules are added. An error is the layer's in which it stands.
  static base::Result<std::shared_ptr<const Policy>> Load(const std::vector<PolicyText>& layers);
  // The built-in policy: what an empty file means.
  static std::shared_ptr<const Policy> Default();

  virtual ~Policy() = default;
  virtual const SandboxSettings& sandbox() const = 0;
  virtual Assessment Assess(const Call& call) const = 0;
  // Whether an approval is void when another run changed the workspace since the question was asked
  // (security.hitl.void_on_workspace_change).
  virtual bool void_on_workspace_change() const = 0;
  // SHA-256 of the canonical content: part of what an approval is bound to.
  virtual const std::string& revision() const = 0;
};

// spec over the defaults, under the ceilings. kInvalidArgument names the field and the ceiling
// ("spec.resources.memory: 8Gi is above this deployment's ceiling of 2048Mi").
base::Result<api::EffectiveLimits> Effective(const SandboxSettings& settings,
                                             const api::SandboxSpec& spec);
// The timeout of one run: the execution's own, else the sandbox's; above the ceiling is refused.
base::Result<std::chrono::seconds> EffectiveTimeout(const SandboxSettings& settings,
                                                    const api::EffectiveLimits& sandbox,
                                                    const api::ExecutionSpec& spec);

}  // namespace sandgate::policy
