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
