#include "libs/policy/policy.h"

#include <algorithm>

#include "libs/base/ids.h"
#include "libs/policy/builtin_rules.h"
#include "libs/policy/code_patterns.h"
#include "libs/policy/loader.h"
#include "libs/policy/utf8.h"
#include "libs/policy/yaml_reader.h"

namespace sandgate::policy {
namespace {

constexpr size_t kMaxReasons = 64;
constexpr size_t kMaxReasonBytes = 1024;

// Canonical text: every value with its name and length, so that no two policies share one.
class Canonical {
 public:
  void Add(const char* name, const std::string& value) {
    text_ += std::string(name) + "=" + std::to_string(value.size()) + ":" + value + "\n";
  }
  void Add(const char* name, const char* value) { Add(name, std::string(value)); }
  void Add(const char* name, bool value) { Add(name, value ? "true" : "false"); }
  void Add(const char* name, int64_t value) { Add(name, std::to_string(value)); }
  void Add(const char* name, const std::vector<std::string>& values) {
    Add(name, static_cast<int64_t>(values.size()));
    for (const std::string& value : values) Add(name, value);
  }
  void Add(const Limits& limits) {
    Add("memory", limits.memory_mb);
    Add("cpu", std::to_string(limits.cpu_cores));
    Add("disk", limits.disk_mb);
    Add("time", limits.execution_seconds);
    Add("output", limits.output_bytes);
  }
  void Add(const Rule& rule) {
    Add("tools", rule.tools);
    Add("risk", api::RiskName(rule.risk));
    for (const Condition& condition : rule.conditions) {
      Add("param", condition.param);
      Add("operator", OperatorName(condition.op));
      Add("values", condition.values);
    }
    Add("timeout", static_cast<int64_t>(rule.timeout ? rule.timeout->count() : -1));
    Add("description", rule.description);
  }
  std::string Digest() const { return base::Sha256Hex(text_); }

 private:
  std::string text_;
};

std::string RevisionOf(const Settings& settings) {
  Canonical canonical;
  canonical.Add("version", "sandgate-policy-1");
  const SandboxSettings& sandbox = settings.sandbox;
  canonical.Add("enabled", sandbox.enabled);
  canonical.Add("runtime", sandbox.runtime_class);
  canonical.Add(sandbox.limits);
  canonical.Add(sandbox.max_limits);
  canonical.Add("network", sandbox.network_enabled_by_default);
  for (const auto& [name, hosts] : sandbox.allowed_registries) {
    canonical.Add("registry", name);
    canonical.Add("hosts", hosts);
  }
  for (const auto& [name, url] : sandbox.registry_urls) {
    canonical.Add("index", name);
    canonical.Add("url", url);
  }
  for (const auto& [language, image] : sandbox.images) {
    canonical.Add(api::LanguageName(language), image);
  }
  canonical.Add("images", sandbox.allowed_images);
  canonical.Add("hitl", settings.hitl.enabled);
  canonical.Add("low", settings.hitl.auto_approve_low_risk);
  canonical.Add("default_rules", settings.hitl.default_rules);
  canonical.Add("void", settings.hitl.void_on_workspace_change);
  if (settings.hitl.default_rules) {
    canonical.Add("patterns", CodePatternsCanonical());
    for (const Rule& rule : BuiltinRules()) canonical.Add(rule);
  }
  for (const Rule& rule : settings.hitl.rules) canonical.Add(rule);
  return canonical.Digest();
}

// At most `size` bytes, never half a character.
std::string Cut(std::string text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  text.resize(size);
  return text;
}

// The call with one '?' for each byte that is no UTF-8; nullopt when there is none.
std::optional<Call> WithUtf8(const Call& call) {
  std::optional<Call> mended;
  for (const auto& [name, value] : call.parameters) {
    if (IsUtf8(value)) continue;
    if (!mended) mended = call;
    mended->parameters[name] = WithoutBadUtf8(value);
  }
  return mended;
}

void AddDangerousCode(const Call& call, std::vector<Match>* matches) {
  const auto code = call.parameters.find("code");
  const auto name = call.parameters.find("language");
  if (call.tool != "code_execute" || code == call.parameters.end()) return;
  const auto language = api::ParseLanguage(name == call.parameters.end() ? "" : name->second);
  // Shell is read with the most patterns; what cannot be told is judged as that.
  for (const CodeFinding& finding :
       FindDangerousCode(language.value_or(api::Language::kShell), code->second)) {
    matches->push_back(
        {api::RiskLevel::kCritical, DefaultTimeout(api::RiskLevel::kCritical),
         "CRITICAL: " + finding.name + " (" + LinesAt(code->second, finding.positions) + ")"});
  }
}

class LoadedPolicy : public Policy {
 public:
  explicit LoadedPolicy(Settings settings)
      : settings_(std::move(settings)), revision_(RevisionOf(settings_)) {}

  const SandboxSettings& sandbox() const override { return settings_.sandbox; }
  const std::string& revision() const override { return revision_; }
  bool void_on_workspace_change() const override { return settings_.hitl.void_on_workspace_change; }

  Assessment Assess(const Call& given) const override {
    // A pattern's `.` stands for a character: what is no UTF-8 must not be a hole in it.
    const std::optional<Call> mended = WithUtf8(given);
    const Call& call = mended ? *mended : given;
    std::vector<Match> matches;
    if (settings_.hitl.default_rules) {
      AddDangerousCode(call, &matches);
      AddRules(BuiltinRules(), call, &matches);
    }
    AddRules(settings_.hitl.rules, call, &matches);
    if (call.tool == Tools().back()) {
      matches = {{api::RiskLevel::kLow, DefaultTimeout(api::RiskLevel::kLow),
                  "LOW: destroys the sandbox"}};
    } else if (matches.empty()) {
      matches = {{api::RiskLevel::kHigh, DefaultTimeout(api::RiskLevel::kHigh),
                  "HIGH: no rule of the policy covers this call"}};
    }
    return Judge(std::move(matches));
  }

 private:
  static void AddRules(const std::vector<Rule>& rules, const Call& call,
                       std::vector<Match>* matches) {
    for (const Rule& rule : rules) {
      if (std::optional<Match> match = Apply(rule, call)) matches->push_back(std::move(*match));
    }
  }

  // The highest risk wins; the shortest timeout among those that have it; all are reasons.
  Assessment Judge(std::vector<Match> matches) const {
    std::stable_sort(matches.begin(), matches.end(),
                     [](const Match& a, const Match& b) { return a.risk > b.risk; });
    Assessment assessment;
    assessment.risk = matches.front().risk;
    assessment.timeout = matches.front().timeout;
    for (const Match& match : matches) {
      if (match.risk == assessment.risk) {
        assessment.timeout = std::min(assessment.timeout, match.timeout);
      }
      if (assessment.reasons.size() + 1 == kMaxReasons && matches.size() > kMaxReasons) {
        assessment.reasons.push_back(
            "and " + std::to_string(matches.size() - assessment.reasons.size()) + " more");
      } else if (assessment.reasons.size() < kMaxReasons) {
        assessment.reasons.push_back(Cut(match.reason, kMaxReasonBytes));
      }
    }
    const bool by_itself = assessment.risk == api::RiskLevel::kLow;
    assessment.needs_approval =
        settings_.hitl.enabled && !(by_itself && settings_.hitl.auto_approve_low_risk);
    // A LOW rule has no time for a human; when one is asked after all, take the longest.
    if (assessment.needs_approval && assessment.timeout.count() == 0) {
      assessment.timeout = DefaultTimeout(api::RiskLevel::kMedium);
    }
    return assessment;
  }

  const Settings settings_;
  const std::string revision_;
};

}  // namespace

base::Result<std::shared_ptr<const Policy>> Policy::Load(const std::string& yaml,
                                                         const std::string& file_name) {
  return Load({{yaml, file_name}});
}

base::Result<std::shared_ptr<const Policy>> Policy::Load(const std::vector<PolicyText>& layers) {
  const auto bad = [](const std::string& message) {
    return base::Status(base::Code::kInvalidArgument, message);
  };
  // Where an exception does not say in which layer it arose.
  const std::string file_name = layers.empty() ? "policy" : layers.back().file_name;
  try {
    return std::shared_ptr<const Policy>(std::make_shared<LoadedPolicy>(LoadSettings(layers)));
  } catch (const ConfigError& error) {
    return bad(error.message);
  } catch (const YAML::Exception& error) {
    return bad(file_name + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg);
  } catch (const std::exception& error) {
    return bad(file_name + ":1: " + error.what());
  }
}

std::shared_ptr<const Policy> Policy::Default() {
  static const std::shared_ptr<const Policy> policy =
      std::make_shared<LoadedPolicy>(DefaultSettings());
  return policy;
}

}  // namespace sandgate::policy
