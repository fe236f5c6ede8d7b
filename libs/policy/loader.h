// YAML text to the values a policy is made of.
#pragma once

#include <string>
#include <vector>

#include "libs/policy/policy.h"
#include "libs/policy/rule.h"

namespace sandgate::policy {

inline constexpr size_t kMaxPolicyBytes = 256 * 1024;

struct HitlSettings {
  bool enabled = true;                // false: nothing waits for a human
  bool auto_approve_low_risk = true;  // false: LOW waits as well (as long as MEDIUM)
  bool default_rules = true;
  bool void_on_workspace_change = false;
  std::vector<Rule> rules;  // the deployment's own
};

struct Settings {
  SandboxSettings sandbox;
  HitlSettings hitl;
};

// The seed's defaults.
Settings DefaultSettings();

// Reads each layer over those before it. Throws ConfigError (yaml_reader.h) or an exception of
// yaml-cpp; Policy::Load catches both.
Settings LoadSettings(const std::vector<PolicyText>& layers);

}  // namespace sandgate::policy
