// Judgements: the seed's risk levels, custom rules, and limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/policy/policy.h"

namespace sandgate::policy {
namespace {

using api::RiskLevel;

std::shared_ptr<const Policy> LoadOrDie(const std::string& yaml) {
  auto loaded = Policy::Load(yaml, "p.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return loaded.ok() ? *loaded : Policy::Default();
}

Call Of(const char* tool, std::map<std::string, std::string> parameters, bool network = false) {
  return {tool, std::move(parameters), network};
}

struct Row {
  Call call;
  RiskLevel risk;
  int seconds;
  bool asks;
};

TEST(PolicyAssess, TheSeedsRiskLevels) {
  const Row rows[] = {
      {Of("code_execute", {{"language", "python"}, {"code", "print(1)"}}), RiskLevel::kHigh, 60,
       true},
      {Of("code_execute", {{"language", "python"}, {"code", "print(1)"}}, true),
       RiskLevel::kCritical, 30, true},
      {Of("code_execute", {{"language", "python"}, {"code", "eval(x)"}}), RiskLevel::kCritical, 30,
       true},
      {Of("code_install_package", {{"package", "requests==2.31.0"}, {"registry", "pypi"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_install_package", {{"package", "axios@1.6.0"}, {"registry", "npm"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_install_package", {{"package", "@types/node@20.1.0"}, {"registry", "npm"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_install_package", {{"package", "x"}, {"registry", "internal"}}),
       RiskLevel::kCritical, 30, true},
      {Of("code_install_package", {{"package", "git+https://evil.com/x"}, {"registry", "pypi"}}),
       RiskLevel::kCritical, 30, true},
      {Of("code_install_package",
          {{"package", "x @ https://evil.com/x.whl"}, {"registry", "pypi"}}),
       RiskLevel::kCritical, 30, true},
      {Of("code_install_package", {{"package", "--index-url=//evil x"}, {"registry", "pypi"}}),
       RiskLevel::kCritical, 30, true},
      {Of("code_install_package", {{"package", "./local"}, {"registry", "pypi"}}),
       RiskLevel::kCritical, 30, true},
      {Of("code_install_package", {{"package", "x@file:../y"}, {"registry", "npm"}}),
       RiskLevel::kCritical, 30, true},
      {Of("code_write_file", {{"file_path", "config.json"}, {"content", "{}"}}), RiskLevel::kMedium,
       120, true},
      {Of("code_write_file", {{"file_path", "data/input.csv"}, {"content", "a"}}),
       RiskLevel::kMedium, 120, true},
      {Of("code_write_file", {{"file_path", "run.sh"}, {"content", "ls"}}), RiskLevel::kHigh, 60,
       true},
      {Of("code_write_file", {{"file_path", "a/b.py"}, {"content", ""}}), RiskLevel::kHigh, 60,
       true},
      {Of("code_write_file", {{"file_path", "b.JS"}, {"content", ""}}), RiskLevel::kHigh, 60, true},
      {Of("code_write_file", {{"file_path", "b.exe"}, {"content", ""}}), RiskLevel::kHigh, 60,
       true},
      {Of("code_write_file", {{"file_path", "b.bin"}, {"content", ""}}), RiskLevel::kHigh, 60,
       true},
      {Of("code_write_file", {{"file_path", "b.py "}, {"content", ""}}), RiskLevel::kHigh, 60,
       true},
      {Of("code_write_file", {{"file_path", "tool"}, {"content", "#!/bin/sh\nls"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_write_file", {{"file_path", "tool"},
                              {"content",
                               "\x7f"
                               "ELF\x02"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_write_file", {{"file_path", "tool"}, {"content", ""}, {"mode", "0755"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_write_file", {{"file_path", "tool"}, {"content", ""}, {"mode", "645"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_write_file", {{"file_path", "tool"}, {"content", ""}, {"mode", "4710"}}),
       RiskLevel::kHigh, 60, true},
      {Of("code_write_file", {{"file_path", "notes"}, {"content", ""}, {"mode", "0644"}}),
       RiskLevel::kMedium, 120, true},
      {Of("code_write_file", {{"file_path", "notes"}, {"content", ""}, {"mode", "1600"}}),
       RiskLevel::kMedium, 120, true},
      {Of("code_write_file", {{"file_path", "notes.py.txt"}, {"content", ""}}), RiskLevel::kMedium,
       120, true},
      {Of("code_read_file", {{"file_path", "x.py"}}), RiskLevel::kMedium, 120, true},
      {Of("code_list_files", {{"path", "."}}), RiskLevel::kMedium, 120, true},
      {Of("code_destroy_sandbox", {{"sandbox_id", "x"}}), RiskLevel::kLow, 0, false},
      // What nobody has heard of is not harmless.
      {Of("code_teleport", {}), RiskLevel::kHigh, 60, true},
  };
  for (const Row& row : rows) {
    const Assessment assessment = Policy::Default()->Assess(row.call);
    std::string what = row.call.tool;
    for (const auto& [key, value] : row.call.parameters) what += " " + key + "=" + value;
    EXPECT_EQ(assessment.risk, row.risk) << what;
    EXPECT_EQ(assessment.timeout.count(), row.seconds) << what;
    EXPECT_EQ(assessment.needs_approval, row.asks) << what;
    EXPECT_FALSE(assessment.reasons.empty()) << what;
  }
}

const Call kPrint = Of("code_execute", {{"language", "python"}, {"code", "print(1)"}});

// The seed's own custom rule.
TEST(PolicyAssess, TheSeedsCustomRule) {
  const auto policy = LoadOrDie(R"yaml(
security:
  hitl:
    rules:
    - tools: ["code_execute"]
      risk: HIGH
      conditions:
      - {param: "code", matches: '(?i)crypto|bitcoin|mining'}
      timeout: 30
      description: "Code mentioning cryptocurrency (suspicious)"
)yaml");
  const Assessment quiet = policy->Assess(kPrint);
  EXPECT_EQ(quiet.timeout.count(), 60);
  const Assessment loud =
      policy->Assess(Of("code_execute", {{"language", "python"}, {"code", "a\nimport BitCoin"}}));
  EXPECT_EQ(loud.risk, RiskLevel::kHigh);
  EXPECT_EQ(loud.timeout.count(), 30);  // the shortest of the two HIGH rules
  EXPECT_THAT(loud.reasons,
              testing::ElementsAre("HIGH: runs code",
                                   "HIGH: Code mentioning cryptocurrency (suspicious) (line 2: "
                                   "import BitCoin)"));
}

TEST(PolicyAssess, TheHighestRiskWinsAndNothingRelaxesIt) {
  const auto policy = LoadOrDie(
      "security: {hitl: {rules: [{tools: [code_execute], risk: LOW, timeout: 5},"
      " {tools: [code_execute], risk: medium, timeout: 1}]}}");
  const Assessment assessment = policy->Assess(kPrint);
  EXPECT_EQ(assessment.risk, RiskLevel::kHigh);
  EXPECT_EQ(assessment.timeout.count(), 60);  // the losers' timeouts do not count
  EXPECT_TRUE(assessment.needs_approval);
  EXPECT_EQ(assessment.reasons.size(), 3U);
}

TEST(PolicyAssess, WithoutDefaultRulesALowRuleAdmits) {
  const auto policy = LoadOrDie(
      "security: {hitl: {default_rules: false, rules: [{tools: [code_execute], risk: low, "
      "description: benchmark}]}}");
  const Assessment assessment = policy->Assess(kPrint);
  EXPECT_EQ(assessment.risk, RiskLevel::kLow);
  EXPECT_FALSE(assessment.needs_approval);
  EXPECT_EQ(assessment.timeout.count(), 0);
  EXPECT_THAT(assessment.reasons, testing::ElementsAre("LOW: benchmark"));
  // What the rule does not name stays closed.
  const Assessment other = policy->Assess(Of("code_read_file", {{"file_path", "x"}}));
  EXPECT_EQ(other.risk, RiskLevel::kHigh);
  EXPECT_TRUE(other.needs_approval);
  EXPECT_THAT(other.reasons, testing::ElementsAre("HIGH: no rule of the policy covers this call"));
  EXPECT_EQ(policy->Assess(Of("code_destroy_sandbox", {})).risk, RiskLevel::kLow);
}

TEST(PolicyAssess, HitlSwitches) {
  EXPECT_FALSE(LoadOrDie("security: {hitl: {enabled: false}}")->Assess(kPrint).needs_approval);
  EXPECT_EQ(LoadOrDie("security: {hitl: {enabled: false}}")->Assess(kPrint).risk, RiskLevel::kHigh);
  const Assessment low =
      LoadOrDie(
          "security: {hitl: {auto_approve_low_risk: false, default_rules: false, rules: "
          "[{tools: [code_execute], risk: LOW}]}}")
          ->Assess(kPrint);
  EXPECT_EQ(low.risk, RiskLevel::kLow);
  EXPECT_TRUE(low.needs_approval);
  EXPECT_EQ(low.timeout.count(), 120);
}

// One condition over a parameter, in a raising and in a relaxing rule.
struct ConditionRow {
  const char* condition;
  std::map<std::string, std::string> parameters;
  bool raises;   // in a CRITICAL rule
  bool relaxes;  // in a LOW rule, default rules off
};

TEST(PolicyAssess, Conditions) {
  const ConditionRow rows[] = {
      {"{param: language, equals: python}", {{"language", "python"}}, true, true},
      {"{param: language, equals: python}", {{"language", "shell"}}, false, false},
      {"{param: language, equals: python}", {}, false, false},
      {"{param: language, in: [python, shell]}", {{"language", "shell"}}, true, true},
      {"{param: language, in: [python, shell]}", {{"language", "javascript"}}, false, false},
      {"{param: language, notIn: [python]}", {{"language", "javascript"}}, true, true},
      {"{param: language, notIn: [python]}", {{"language", "python"}}, false, false},
      {"{param: language, notIn: [python]}", {}, true, false},
      {"{param: code, matches: 'a+b'}", {{"code", "xxaabxx"}}, true, true},
      {"{param: code, matches: '^a$'}", {{"code", "b\na\n"}}, false, false},
      {"{param: code, matches: '(?m)^a$'}", {{"code", "b\na\n"}}, true, true},
      {"{param: code, notMatches: 'safe'}", {{"code", "x"}}, true, true},
      {"{param: code, notMatches: 'safe'}", {{"code", "is safe"}}, false, false},
      {"{param: code, notMatches: 'safe'}", {}, true, false},
      {"{param: network_enabled, equals: 'false'}", {}, true, true},
      {"{param: network_enabled, equals: true}", {}, false, false},
      {"{param: timeout, equals: 30}", {{"timeout", "30"}}, true, true},
      // Lists: one entry is enough to raise, every entry is needed to relax.
      {"{param: allowed_domains, in: [a.com]}", {{"allowed_domains", "a.com,b.com"}}, true, false},
      {"{param: allowed_domains, in: [a.com]}", {{"allowed_domains", "a.com"}}, true, true},
      {"{param: allowed_domains, notIn: [a.com]}",
       {{"allowed_domains", "a.com,b.com"}},
       true,
       false},
      {"{param: allowed_domains, notIn: [a.com]}", {{"allowed_domains", "a.com"}}, false, false},
      {"{param: allowed_domains, matches: 'b'}", {{"allowed_domains", "a.com,b.com"}}, true, false},
  };
  for (const ConditionRow& row : rows) {
    const std::string rule = std::string("[{tools: [code_execute], conditions: [") + row.condition;
    const Call call = Of("code_execute", row.parameters);
    const auto raising = LoadOrDie("security: {hitl: {default_rules: false, rules: " + rule +
                                   "], risk: CRITICAL}]}}");
    EXPECT_EQ(raising->Assess(call).risk == RiskLevel::kCritical, row.raises) << row.condition;
    const auto relaxing =
        LoadOrDie("security: {hitl: {default_rules: false, rules: " + rule + "], risk: LOW}]}}");
    EXPECT_EQ(relaxing->Assess(call).risk == RiskLevel::kLow, row.relaxes) << row.condition;
  }
}

TEST(PolicyAssess, AllConditionsMustHold) {
  const auto policy = LoadOrDie(
      "security: {hitl: {rules: [{tools: [code_execute], risk: CRITICAL, conditions: [{param: "
      "code, "
      "matches: open}, {param: code, notMatches: close}]}]}}");
  const auto risk = [&](const char* code) {
    return policy->Assess(Of("code_execute", {{"language", "python"}, {"code", code}})).risk;
  };
  EXPECT_EQ(risk("open"), RiskLevel::kCritical);
  EXPECT_EQ(risk("open close"), RiskLevel::kHigh);
  EXPECT_EQ(risk("close"), RiskLevel::kHigh);
}

// Every pattern of a rule shows what it found, whichever parameter it is about.
TEST(PolicyAssess, EveryMatchIsAReasonWithItsLine) {
  const auto policy = LoadOrDie(R"yaml(
security:
  hitl:
    default_rules: false
    rules:
    - tools: [code_write_file]
      risk: HIGH
      conditions: [{param: file_path, matches: '^etc/'}, {param: content, matches: 'token'},
                   {param: mode, in: ['0600']}, {param: append, equals: 'true'}]
      description: writes a secret
)yaml");
  const Assessment assessment = policy->Assess(Of(
      "code_write_file",
      {{"file_path", "etc/x"}, {"content", "a\nb token c"}, {"mode", "0600"}, {"append", "true"}}));
  EXPECT_THAT(assessment.reasons,
              testing::ElementsAre("HIGH: writes a secret (file_path: etc/x; line 2: b token c)"));
}

// A byte that is no UTF-8 is one that `.` stands for: no hole in a pattern.
TEST(PolicyAssess, BadUtf8HidesNothing) {
  const auto policy = LoadOrDie(
      "security: {hitl: {rules: [{tools: [code_write_file], risk: CRITICAL, conditions: [{param: "
      "content, matches: 'a.b'}]}]}}");
  for (const char* content : {"a\xff"
                              "b",
                              "a\xc3"
                              "b",
                              "a\xed\xa0\x80 a\x80"
                              "b"}) {
    EXPECT_EQ(
        policy->Assess(Of("code_write_file", {{"file_path", "x"}, {"content", content}})).risk,
        RiskLevel::kCritical);
  }
}

TEST(PolicyAssess, ReasonsAreBounded) {
  std::string yaml = "security:\n  hitl:\n    rules:\n";
  for (int i = 0; i < 200; ++i) {
    yaml +=
        "    - {tools: [code_execute], risk: HIGH, description: '" + std::string(500, 'd') + "'}\n";
  }
  const auto policy = LoadOrDie(yaml);
  const Assessment assessment = policy->Assess(kPrint);
  ASSERT_EQ(assessment.reasons.size(), 64U);
  EXPECT_EQ(assessment.reasons.back(), "and 138 more");
  for (const std::string& reason : assessment.reasons) EXPECT_LE(reason.size(), 1024U);
}

TEST(PolicyAssess, CallOfNamesTheSeedsParameters) {
  api::ExecutionSpec spec;
  spec.sandbox_name = "s";
  spec.code = "x";
  spec.network_enabled = true;
  spec.allowed_domains = {"a.com", "b.com"};
  spec.timeout_seconds = 7;
  const Call call = CallOf(spec);
  EXPECT_EQ(call.tool, "code_execute");
  EXPECT_TRUE(call.network_enabled);
  const std::map<std::string, std::string> expected = {{"sandbox_id", "s"},
                                                       {"timeout", "7"},
                                                       {"allowed_domains", "a.com,b.com"},
                                                       {"language", "python"},
                                                       {"code", "x"}};
  EXPECT_EQ(call.parameters, expected);
  spec.operation = api::Operation::kInstallPackage;
  spec.package = "p";
  EXPECT_EQ(CallOf(spec).parameters.at("registry"), "pypi");
}

api::SandboxSpec PythonSpec() {
  api::SandboxSpec spec;
  spec.language = api::Language::kPython;
  return spec;
}

TEST(PolicyLimits, AbsentMeansTheDefaults) {
  const auto limits = Effective(Policy::Default()->sandbox(), PythonSpec());
  ASSERT_TRUE(limits.ok()) << limits.status().message();
  EXPECT_EQ(limits->memory_bytes, 512LL << 20);
  EXPECT_EQ(limits->cpu_millis, 500);
  EXPECT_EQ(limits->disk_bytes, 1024LL << 20);
  EXPECT_EQ(limits->timeout_seconds, 30);
  EXPECT_EQ(limits->output_bytes, 1'048'576);
  EXPECT_EQ(limits->image, "python:3.11-slim");
}

TEST(PolicyLimits, CeilingsAndNonsenseAreNamed) {
  const auto says = [](const api::SandboxSpec& spec, const char* part) {
    const auto limits = Effective(Policy::Default()->sandbox(), spec);
    ASSERT_FALSE(limits.ok()) << part;
    EXPECT_NE(limits.status().message().find(part), std::string::npos) << limits.status().message();
  };
  const auto with = [](auto change) {
    api::SandboxSpec spec = PythonSpec();
    change(&spec);
    return spec;
  };
  says(with([](auto* s) { s->memory = "8Gi"; }),
       "spec.resources.memory: 8Gi is above this deployment's ceiling of 2048Mi");
  says(with([](auto* s) { s->memory = "lots"; }), "spec.resources.memory: \"lots\"");
  says(with([](auto* s) { s->memory = "0"; }), "above 0");
  says(with([](auto* s) { s->memory = "-5"; }), "above 0");
  says(with([](auto* s) { s->cpu = "2001m"; }),
       "spec.resources.cpu: 2001m is above this deployment's ceiling of 2000m");
  says(with([](auto* s) { s->disk = "5Gi"; }), "ceiling of 4096Mi");
  says(with([](auto* s) { s->timeout_seconds = 601; }),
       "spec.limits.timeoutSeconds: 601 is above this deployment's ceiling of 600");
  says(with([](auto* s) { s->output_bytes = 99'999'999; }), "spec.limits.outputBytes");
  says(with([](auto* s) { s->timeout_seconds = 0; }), "at least 1");
  says(with([](auto* s) {
         s->language.reset();
         s->image = "evil:latest";
       }),
       "spec.image: evil:latest is not among");
}

TEST(PolicyLimits, ImagesByNameAndByBeginning) {
  const auto policy = LoadOrDie("security: {sandbox: {allowed_images: ['mine/*', 'exact:1']}}");
  const auto allowed = [&](const char* image) {
    api::SandboxSpec spec;
    spec.image = image;
    return Effective(policy->sandbox(), spec).ok();
  };
  EXPECT_TRUE(allowed("mine/tool:2"));
  EXPECT_TRUE(allowed("exact:1"));
  EXPECT_TRUE(allowed("node:20-slim"));  // a language's own
  EXPECT_FALSE(allowed("exact:10"));
  EXPECT_FALSE(allowed("notmine/tool"));
}

TEST(PolicyLimits, Timeouts) {
  const SandboxSettings& settings = Policy::Default()->sandbox();
  api::EffectiveLimits sandbox;
  sandbox.timeout_seconds = 30;
  api::ExecutionSpec spec;
  EXPECT_EQ(EffectiveTimeout(settings, sandbox, spec)->count(), 30);
  spec.timeout_seconds = 120;  // the seed: more than the sandbox's own, under the ceiling
  EXPECT_EQ(EffectiveTimeout(settings, sandbox, spec)->count(), 120);
  spec.timeout_seconds = 601;
  const auto refused = EffectiveTimeout(settings, sandbox, spec);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("ceiling of 600"), std::string::npos);
  // The sandbox was made under a laxer policy.
  spec.timeout_seconds.reset();
  sandbox.timeout_seconds = 900;
  EXPECT_EQ(EffectiveTimeout(settings, sandbox, spec)->count(), 600);
}

}  // namespace
}  // namespace sandgate::policy
