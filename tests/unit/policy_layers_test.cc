// A namespace's policy laid over the deployment's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/policy/policy.h"

namespace sandgate::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

base::Result<std::shared_ptr<const Policy>> Layers(const std::string& base,
                                                   const std::string& over) {
  return Policy::Load({{base, "base.yaml"}, {over, "team.yaml"}});
}

constexpr char kBase[] = R"(security:
  sandbox:
    limits: {max_memory_mb: 256, max_execution_time: 20}
    max_limits: {max_memory_mb: 8192}
    network:
      allowed_registries: {pypi: [a.example, b.example], npm: [c.example]}
    languages: {shell: {image: "own:1"}}
    allowed_images: ["one/*"]
  hitl:
    rules:
    - {tools: [code_execute], risk: CRITICAL, description: base's}
)";

TEST(PolicyLayers, MappingsMergeListsReplaceRulesAreAdded) {
  const auto policy = Layers(kBase, R"(security:
  sandbox:
    limits: {max_memory_mb: 4096}
    network:
      enabled_by_default: true
      allowed_registries: {pypi: [d.example]}
    languages: {python: {image: "own:2"}}
    allowed_images: ["two/*"]
  hitl:
    auto_approve_low_risk: false
    rules:
    - {tools: [code_execute], risk: HIGH, description: the team's}
)");
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  const SandboxSettings& sandbox = (*policy)->sandbox();
  EXPECT_EQ(sandbox.limits.memory_mb, 4096);
  EXPECT_EQ(sandbox.limits.execution_seconds, 20);
  EXPECT_EQ(sandbox.max_limits.memory_mb, 8192);
  EXPECT_TRUE(sandbox.network_enabled_by_default);
  EXPECT_THAT(sandbox.allowed_registries.at("pypi"), ElementsAre("d.example"));
  EXPECT_THAT(sandbox.allowed_registries.at("npm"), ElementsAre("c.example"));
  EXPECT_EQ(sandbox.images.at(api::Language::kShell), "own:1");
  EXPECT_EQ(sandbox.images.at(api::Language::kPython), "own:2");
  EXPECT_THAT(sandbox.allowed_images, ElementsAre("two/*"));
  const Call call{"code_execute", {{"language", "python"}, {"code", "print(1)"}}, false};
  EXPECT_THAT((*policy)->Assess(call).reasons,
              ElementsAre("CRITICAL: base's", "HIGH: runs code", "HIGH: the team's"));
}

TEST(PolicyLayers, AnEmptyLayerChangesNothing) {
  const auto alone = Policy::Load(kBase, "base.yaml");
  const auto with = Layers(kBase, "");
  ASSERT_TRUE(alone.ok() && with.ok());
  EXPECT_EQ((*alone)->revision(), (*with)->revision());
}

TEST(PolicyLayers, AnEmptyListTakesARegistryAway) {
  const auto policy =
      Layers(kBase, "security: {sandbox: {network: {allowed_registries: {pypi: []}}}}");
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  EXPECT_TRUE((*policy)->sandbox().allowed_registries.at("pypi").empty());
}

TEST(PolicyLayers, AnErrorNamesItsOwnLayer) {
  const auto says = [](const std::string& base, const std::string& over, const char* what) {
    const auto policy = Layers(base, over);
    ASSERT_FALSE(policy.ok()) << what;
    EXPECT_THAT(policy.status().message(), HasSubstr(what));
  };
  says("security: {hitl: {x: 1}}", "", "base.yaml:1: security.hitl.x: unknown key");
  says(kBase, "\nsecurity: {hitl: {x: 1}}", "team.yaml:2: security.hitl.x: unknown key");
  says(kBase, "security: {sandbox: {max_limits: {max_memory_mb: 128}}}",
       "team.yaml:1: security.sandbox: the default max_memory_mb (256) is above the ceiling");
  std::string rules = "security:\n  hitl:\n    rules:\n";
  for (int i = 0; i < 200; ++i) rules += "    - {tools: [code_execute], risk: LOW}\n";
  says(rules, rules, "team.yaml:4: security.hitl.rules: with those of the policy below");
}

}  // namespace
}  // namespace sandgate::policy
