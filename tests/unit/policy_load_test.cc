// Configuration files: the seed's own, and every kind of mistake.
#include <gtest/gtest.h>

#include "libs/policy/policy.h"

namespace sandgate::policy {
namespace {

// The seed's Configuration Reference with its indentation restored.
constexpr char kSeedConfig[] = R"(# harombe.yaml
security:
  sandbox:
    enabled: true
    runtime: runsc  # gVisor runtime
    # Default resource limits
    limits:
      max_memory_mb: 512
      max_cpu_cores: 0.5
      max_disk_mb: 1024
      max_execution_time: 30
      max_output_bytes: 1048576
    # Network configuration
    network:
      enabled_by_default: false
      allowed_registries:
        pypi:
          - PYPI_INDEX_HOST
          - PYPI_FILES_HOST
        npm:
          - NPM_REGISTRY_HOST
    # Supported languages
    languages:
      python:
        image: python:3.11-slim
      javascript:
        image: node:20-slim
      shell:
        image: bash:5.2
  # HITL integration
  hitl:
    enabled: true
    auto_approve_low_risk: true
)";

// The seed's custom rule, with the keys of its HITLRule, below that file.
constexpr char kSeedRule[] = R"yaml(    rules:
      - tools: ["code_execute"]
        risk: HIGH
        conditions:
          - {"param": "code", "matches": '(?i)crypto|bitcoin|mining'}
        timeout: 30
        description: "Code mentioning cryptocurrency (suspicious)"
)yaml";

TEST(PolicyLoad, TheSeedsConfiguration) {
  const auto loaded = Policy::Load(kSeedConfig, "harombe.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const SandboxSettings& sandbox = (*loaded)->sandbox();
  EXPECT_TRUE(sandbox.enabled);
  EXPECT_EQ(sandbox.runtime_class, "gvisor");
  EXPECT_EQ(sandbox.limits.memory_mb, 512);
  EXPECT_DOUBLE_EQ(sandbox.limits.cpu_cores, 0.5);
  EXPECT_EQ(sandbox.limits.disk_mb, 1024);
  EXPECT_EQ(sandbox.limits.execution_seconds, 30);
  EXPECT_EQ(sandbox.limits.output_bytes, 1'048'576);
  EXPECT_EQ(sandbox.max_limits.memory_mb, 2048);
  EXPECT_DOUBLE_EQ(sandbox.max_limits.cpu_cores, 2);
  EXPECT_EQ(sandbox.max_limits.disk_mb, 4096);
  EXPECT_EQ(sandbox.max_limits.execution_seconds, 600);
  EXPECT_EQ(sandbox.max_limits.output_bytes, 10'485'760);
  EXPECT_FALSE(sandbox.network_enabled_by_default);
  EXPECT_EQ(sandbox.allowed_registries.at("pypi").size(), 2U);
  EXPECT_EQ(sandbox.allowed_registries.at("npm").size(), 1U);
  EXPECT_EQ(sandbox.images.at(api::Language::kPython), "python:3.11-slim");
  EXPECT_EQ(sandbox.images.at(api::Language::kJavaScript), "node:20-slim");
  EXPECT_EQ(sandbox.images.at(api::Language::kShell), "bash:5.2");
}

TEST(PolicyLoad, TheSeedsConfigurationWithItsCustomRule) {
  const auto loaded = Policy::Load(std::string(kSeedConfig) + kSeedRule, "harombe.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const Call call{"code_execute", {{"language", "python"}, {"code", "print('Mining')"}}, false};
  const Assessment assessment = (*loaded)->Assess(call);
  EXPECT_EQ(assessment.risk, api::RiskLevel::kHigh);
  EXPECT_EQ(assessment.timeout.count(), 30);
  ASSERT_EQ(assessment.reasons.size(), 2U);
  EXPECT_EQ(assessment.reasons[1],
            "HIGH: Code mentioning cryptocurrency (suspicious) (line 1: print('Mining'))");
  // Levels in the seed's other spelling, that of its enum's values.
  std::string lower = std::string(kSeedConfig) + kSeedRule;
  lower.replace(lower.find("risk: HIGH"), 10, "risk: high");
  EXPECT_EQ((*Policy::Load(lower, "harombe.yaml"))->revision(), (*loaded)->revision());
}

TEST(PolicyLoad, AnEmptyFileMeansTheDefaults) {
  for (const char* text : {"", "\n", "# nothing\n", "security:\n", "security: {}\n",
                           "security:\n  sandbox:\n  hitl:\n", "---\n"}) {
    const auto loaded = Policy::Load(text, "p.yaml");
    ASSERT_TRUE(loaded.ok()) << text << ": " << loaded.status().message();
    EXPECT_EQ((*loaded)->revision(), Policy::Default()->revision()) << text;
  }
}

TEST(PolicyLoad, TheRevisionFollowsTheContent) {
  const auto revision = [](const std::string& text) {
    const auto loaded = Policy::Load(text, "p.yaml");
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return loaded.ok() ? (*loaded)->revision() : "";
  };
  const std::string first = revision("security: {hitl: {enabled: true}}");
  EXPECT_EQ(first.size(), 64U);
  // Layout and comments are no content.
  EXPECT_EQ(first, revision("security:\n  hitl:\n    enabled: true # yes\n"));
  EXPECT_NE(first, revision("security: {hitl: {enabled: false}}"));
  EXPECT_NE(first, revision("security: {hitl: {default_rules: false}}"));
  EXPECT_NE(first, revision("security: {sandbox: {limits: {max_memory_mb: 511}}}"));
  EXPECT_NE(first, revision("security: {hitl: {rules: [{tools: [code_execute], risk: HIGH}]}}"));
  EXPECT_NE(revision("security: {hitl: {rules: [{tools: [code_execute], risk: HIGH}]}}"),
            revision("security: {hitl: {rules: [{tools: [code_execute], risk: CRITICAL}]}}"));
}

struct Bad {
  const char* yaml;
  std::vector<const char*> says;  // every one of these stands in the message
};

const Bad kBad[] = {
    {"securty:\n  hitl: {}\n", {"p.yaml:1: securty: unknown key", "security"}},
    {"security:\n  hitl:\n    enable: false\n",
     {"p.yaml:3: security.hitl.enable: unknown key", "enabled"}},
    {"security:\n  sandbox:\n    limits:\n      max_memory: 1\n",
     {"p.yaml:4: security.sandbox.limits.max_memory: unknown key", "max_memory_mb"}},
    {"security:\n  hitl:\n    enabled: yes\n",
     {"p.yaml:3: security.hitl.enabled: must be true or false"}},
    {"security:\n  hitl:\n    enabled: true\n    enabled: false\n",
     {"p.yaml:4: security.hitl.enabled: stands twice"}},
    {"security:\n  hitl:\n    enabled: [true]\n", {"p.yaml:3", "not a list"}},
    {"security: 3\n", {"p.yaml:1: security: must be a mapping"}},
    {"- a\n", {"p.yaml:1", "must be a mapping"}},
    {"security: {}\n---\nsecurity: {}\n", {"second document"}},
    {"security: {\n", {"p.yaml:", "not valid YAML"}},
    {"security:\n\thitl: {}\n", {"p.yaml:2: not valid YAML"}},
    {"security:\n  sandbox:\n    limits:\n      max_memory_mb: 0\n",
     {"p.yaml:4: security.sandbox.limits.max_memory_mb", "whole number from 16"}},
    {"security:\n  sandbox:\n    limits:\n      max_memory_mb: 512MB\n", {"p.yaml:4", "\"512MB\""}},
    {"security:\n  sandbox:\n    limits:\n      max_cpu_cores: -1\n", {"p.yaml:4", "0.05 to 64"}},
    {"security:\n  sandbox:\n    limits:\n      max_cpu_cores: .nan\n", {"p.yaml:4", "0.05 to 64"}},
    {"security:\n  sandbox:\n    limits:\n      max_cpu_cores: nan\n", {"p.yaml:4", "0.05 to 64"}},
    {"security:\n  sandbox:\n    limits:\n      max_execution_time: 99999999999999999999\n",
     {"p.yaml:4"}},
    {"security:\n  sandbox:\n    limits:\n      max_memory_mb: 4096\n",
     {"p.yaml:4: security.sandbox.limits: ", "max_limits.max_memory_mb (2048)"}},
    {"security:\n  sandbox:\n    max_limits:\n      max_execution_time: 10\n",
     {"security.sandbox", "max_execution_time (30)", "(10)"}},
    {"security:\n  sandbox:\n    runtime: runc\n", {"p.yaml:3", "is not gVisor", "runsc"}},
    {"security:\n  sandbox:\n    runtime: Not A Name\n", {"p.yaml:3", "RuntimeClass"}},
    {"security:\n  sandbox:\n    languages:\n      ruby:\n        image: ruby\n",
     {"p.yaml:4: security.sandbox.languages.ruby", "python, javascript, shell"}},
    {"security:\n  sandbox:\n    languages:\n      python: {}\n", {"needs the key \"image\""}},
    {"security:\n  sandbox:\n    languages:\n      python:\n        image: 'a b'\n",
     {"p.yaml:5", "image"}},
    {"security:\n  sandbox:\n    allowed_images: ['a*b']\n", {"p.yaml:3", "allowed_images[0]"}},
    {"security:\n  sandbox:\n    network:\n      allowed_registries:\n        pypi: x\n",
     {"p.yaml:5", "must be a list"}},
    {"security:\n  sandbox:\n    network:\n      allowed_registries:\n        pypi: "
     "['https://x/']\n",
     {"p.yaml:5", "host name", "without https://"}},
    {"security:\n  sandbox:\n    network:\n      allowed_registries:\n        PyPI: [x]\n",
     {"p.yaml:5", "lower-case"}},
    {"security:\n  hitl:\n    rules:\n      tools: x\n",
     {"p.yaml:4: security.hitl.rules: must be a list"}},
    {"security:\n  hitl:\n    rules:\n    - risk: HIGH\n",
     {"p.yaml:4: security.hitl.rules[0]: needs the key \"tools\""}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n", {"needs the key \"risk\""}},
    {"security:\n  hitl:\n    rules:\n    - tools: []\n      risk: HIGH\n",
     {"p.yaml:4", "empty list"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_exec]\n      risk: HIGH\n",
     {"p.yaml:4", "rules[0].tools[0]: is no tool", "code_execute"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: SEVERE\n",
     {"p.yaml:5: security.hitl.rules[0].risk", "LOW, MEDIUM, HIGH or CRITICAL"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_destroy_sandbox]\n      risk: HIGH\n",
     {"always LOW"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "timeout: 0\n",
     {"p.yaml:6", "from 1 to 86400"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      when: "
     "x\n",
     {"p.yaml:6: security.hitl.rules[0].when: unknown key"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code, matches: 'a(?=b)'}\n",
     {"p.yaml:7: security.hitl.rules[0].conditions[0].matches", "Look-ahead", "notMatches"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code, matches: '(?<!x)y'}\n",
     {"p.yaml:7", "look-behind"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code, matches: '(a)\\1'}\n",
     {"p.yaml:7", "Back-references"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code, matches: '('}\n",
     {"p.yaml:7", "missing"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code, matches: '((a{100}){100}){100}'}\n",
     {"p.yaml:7"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code}\n",
     {"p.yaml:7", "exactly one of matches"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code, equals: a, in: [b]}\n",
     {"p.yaml:7", "exactly one of"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: cod, equals: a}\n",
     {"p.yaml:7: security.hitl.rules[0].conditions[0].param", "language, code"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {param: code, in: []}\n",
     {"p.yaml:7", "empty list"}},
    {"security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
     "conditions:\n"
     "      - {equals: a}\n",
     {"p.yaml:7", "\"param\""}},
};

// One condition in the first rule, on line 7, and what has to stand there instead.
struct BadCondition {
  const char* condition;
  const char* says;
};

const BadCondition kBadConditions[] = {
    {"{param: code, matches: 'a(?!b)'}", "notMatches"},
    {"{param: code, matches: '(?<=a)b'}", "notMatches"},
    {"{param: code, matches: '(?P<q>a)(?P=q)'}", "RE2 cannot"},
    {"{param: code, matches: '(a)\\k<1>'}", "a|b"},
    {"{param: code, matches: '(?>a)'}", "leave out the ?>"},
    {"{param: code, matches: 'a++'}", "second +"},
    {"{param: code, matches: '(a)?(?(1)b|c)'}", "several rules"},
    {"{param: code, matches: '(?R)'}", "several rules"},
    {"{param: code, matches: '(?<word>a)'}", "(?:...)"},
    {"{param: code, matches: '(?#why)a'}", "YAML"},
    {"{param: code, matches: '(?x)a b'}", "flags are i, m, s and U"},
    {"{param: code, matches: '\\u0041'}", "\\x{2014}"},
    {"{param: code, matches: 'a\\Z'}", "\\z"},
    {"{param: code, matches: '\\h+'}", "[ \\t]"},
    {"{param: code, matches: '[a'}", "missing"},
    {"{param: code, matches: '[z-a]'}", "range"},
    {"{param: code, matches: 'a)'}", "put a \\"},
    {"{param: code, matches: '*.py'}", "put a \\"},
    {"{param: code, matches: 'C:\\my'}", "put a \\"},
    {"{param: code, matches: 'a{1001}'}", "at most 1000"},
    {"{param: code, matches: ''}", "must not be empty"},
    {"{param: code, matches: [a]}", "must be a text, not a list"},
    {"{param: code, matches: {a: b}}", "must be a text, not a mapping"},
    {"{param: code, match: a}", "here stand only: param, matches, notMatches, equals, in, notIn"},
    {"{param: code, not_matches: a}", "here stand only"},
    {"{param: code, equals: }", "exactly one of"},
    {"{param: code, in: a}", "must be a list, not a single value"},
    {"{param: code, in: [[a]]}", "must be a text, not a list"},
    {"{param: [code], equals: a}", "must be a text, not a list"},
    {"{param: package, equals: a}", "is no parameter of the rule's tools; they have language"},
    {"{param: mode, equals: '0755'}", "is no parameter"},
    {"code", "must be a mapping"},
};

TEST(PolicyLoad, EveryMistakeInAConditionIsNamed) {
  for (const BadCondition& bad : kBadConditions) {
    const auto loaded = Policy::Load(
        "security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n      "
        "conditions:\n      - " +
            std::string(bad.condition) + "\n",
        "p.yaml");
    ASSERT_FALSE(loaded.ok()) << bad.condition;
    const std::string& message = loaded.status().message();
    EXPECT_EQ(message.rfind("p.yaml:7: security.hitl.rules[0].conditions[0]", 0), 0U) << message;
    EXPECT_NE(message.find(bad.says), std::string::npos) << bad.condition << "\n  " << message;
  }
}

TEST(PolicyLoad, EveryMistakeIsNamed) {
  for (const Bad& bad : kBad) {
    const auto loaded = Policy::Load(bad.yaml, "p.yaml");
    ASSERT_FALSE(loaded.ok()) << bad.yaml;
    EXPECT_EQ(loaded.status().code(), base::Code::kInvalidArgument);
    for (const char* part : bad.says) {
      EXPECT_NE(loaded.status().message().find(part), std::string::npos)
          << bad.yaml << "  says:  " << loaded.status().message() << "\n  not:   " << part;
    }
  }
}

const Bad kBadRules[] = {
    {"    - tools: code_execute\n      risk: HIGH\n",
     {"p.yaml:4: security.hitl.rules[0].tools", "must be a list"}},
    {"    - tools: [code_execute]\n      risk: HIGH\n    - tools: [code_execute]\n      risk: X\n",
     {"p.yaml:7: security.hitl.rules[1].risk"}},
    {"    - tools: [code_execute]\n      risk: ''\n", {"p.yaml:5", "must not be empty"}},
    {"    - tools: [code_execute]\n      risk: [HIGH]\n", {"p.yaml:5", "not a list"}},
    {"    - tools: [code_execute]\n      risk: HIGH\n      timeout: 30s\n",
     {"p.yaml:6", "whole number", "\"30s\""}},
    {"    - tools: [code_execute]\n      risk: HIGH\n      timeout: 86401\n", {"1 to 86400"}},
    {"    - tools: [code_execute]\n      risk: HIGH\n      timeout: -1\n", {"1 to 86400"}},
    {"    - tools: [code_execute]\n      risk: HIGH\n      description: ''\n",
     {"p.yaml:6: security.hitl.rules[0].description", "empty"}},
    {"    - tools: [code_execute]\n      risk: HIGH\n      conditions: {param: code}\n",
     {"p.yaml:6: security.hitl.rules[0].conditions", "must be a list, not a mapping"}},
    {"    - tools: [code_execute]\n      risk: HIGH\n      risk: LOW\n",
     {"p.yaml:6: security.hitl.rules[0].risk: stands twice"}},
    {"    - code_execute\n", {"p.yaml:4: security.hitl.rules[0]", "must be a mapping"}},
    {"    -\n", {"security.hitl.rules[0]", "needs the key \"tools\""}},
    {"    - tools: [code_execute, code_destroy_sandbox]\n      risk: MEDIUM\n",
     {"p.yaml:4: security.hitl.rules[0]", "always LOW", "take it out"}},
};

TEST(PolicyLoad, EveryMistakeInARuleIsNamed) {
  for (const Bad& bad : kBadRules) {
    const auto loaded =
        Policy::Load(std::string("security:\n  hitl:\n    rules:\n") + bad.yaml, "p.yaml");
    ASSERT_FALSE(loaded.ok()) << bad.yaml;
    for (const char* part : bad.says) {
      EXPECT_NE(loaded.status().message().find(part), std::string::npos)
          << bad.yaml << "  says:  " << loaded.status().message() << "\n  not:   " << part;
    }
  }
}

TEST(PolicyLoad, SizesAreLimited) {
  const auto refused = [](const std::string& yaml, const char* part) {
    const auto loaded = Policy::Load(yaml, "p.yaml");
    ASSERT_FALSE(loaded.ok()) << part;
    EXPECT_NE(loaded.status().message().find(part), std::string::npos) << loaded.status().message();
  };
  refused(std::string(256 * 1024 + 1, '#'), "262144");
  std::string rules = "security:\n  hitl:\n    rules:\n";
  for (int i = 0; i < 257; ++i) rules += "    - {tools: [code_execute], risk: LOW}\n";
  refused(rules, "at most 256");
  const std::string rule =
      "security: {hitl: {rules: [{tools: [code_execute], risk: LOW, conditions: [";
  std::string conditions, values, hosts;
  for (int i = 0; i < 33; ++i) conditions += "{param: code, equals: a}, ";
  refused(rule + conditions + "]}]}}", "at most 32");
  for (int i = 0; i < 257; ++i) values += "v" + std::to_string(i) + ", ";
  refused(rule + "{param: code, in: [" + values + "]}]}]}}", "at most 256");
  refused("security: {hitl: {rules: [{tools: [code_execute], risk: LOW, description: '" +
              std::string(513, 'd') + "'}]}}",
          "at most 512");
  for (int i = 0; i < 65; ++i) hosts += "h" + std::to_string(i) + ", ";
  refused("security: {sandbox: {network: {allowed_registries: {pypi: [" + hosts + "]}}}}",
          "at most 64");
  refused(
      "security: {hitl: {rules: [{tools: [code_execute], risk: LOW, conditions: [{param: code, "
      "matches: '" +
          std::string(1025, 'a') + "'}]}]}}",
      "at most 1024");
}

// Deep nesting and aliases of aliases must end in an error, not in a stack overflow or in hours.
TEST(PolicyLoad, HostileYaml) {
  EXPECT_FALSE(Policy::Load(std::string(200'000, '['), "p.yaml").ok());
  EXPECT_FALSE(Policy::Load(std::string(100'000, '{'), "p.yaml").ok());
  std::string nested;
  for (int i = 0; i < 700; ++i) nested += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_FALSE(Policy::Load(nested.substr(0, 200'000), "p.yaml").ok());
  std::string bomb = "a: &a [x, x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" +
            static_cast<char>(c - 1) + "]\n";
  }
  EXPECT_FALSE(Policy::Load(bomb, "p.yaml").ok());
  EXPECT_FALSE(Policy::Load("security: *nowhere\n", "p.yaml").ok());
  EXPECT_FALSE(Policy::Load("security: &a {hitl: *a}\n", "p.yaml").ok());
  EXPECT_FALSE(Policy::Load("<<: {security: {}}\n", "p.yaml").ok());
}

}  // namespace
}  // namespace sandgate::policy
