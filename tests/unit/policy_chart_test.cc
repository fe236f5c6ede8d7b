// The policy that the chart deploys is one that the operator takes, and says what the guide says.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>

#include "libs/policy/policy.h"

namespace sandgate::policy {
namespace {

std::string DeployedPolicy(const std::string& manifest) {
  for (const YAML::Node& object :
       YAML::LoadAllFromFile(std::string(SANDGATE_SOURCE_DIR) + "/manifests/" + manifest)) {
    if (object["kind"] && object["kind"].as<std::string>() == "ConfigMap" &&
        object["metadata"]["name"].as<std::string>() == "sandgate-policy") {
      return object["data"]["policy.yaml"].as<std::string>();
    }
  }
  return "";
}

TEST(PolicyChart, IsLoadedAndIsTheBuiltInOne) {
  for (const char* manifest : {"sandgate.yaml", "sandgate-before-1.36.yaml"}) {
    const std::string text = DeployedPolicy(manifest);
    ASSERT_FALSE(text.empty()) << manifest;
    const auto policy = Policy::Load(text, "policy.yaml");
    ASSERT_TRUE(policy.ok()) << policy.status().message();
    const SandboxSettings& deployed = (*policy)->sandbox();
    const std::shared_ptr<const Policy> built_in = Policy::Default();
    const SandboxSettings& expected = built_in->sandbox();
    EXPECT_EQ(deployed.runtime_class, "gvisor");
    EXPECT_EQ(deployed.limits.memory_mb, expected.limits.memory_mb);
    EXPECT_EQ(deployed.limits.output_bytes, expected.limits.output_bytes);
    EXPECT_EQ(deployed.max_limits.memory_mb, expected.max_limits.memory_mb);
    EXPECT_EQ(deployed.max_limits.cpu_cores, expected.max_limits.cpu_cores);
    EXPECT_EQ(deployed.max_limits.disk_mb, expected.max_limits.disk_mb);
    EXPECT_EQ(deployed.max_limits.execution_seconds, expected.max_limits.execution_seconds);
    EXPECT_EQ(deployed.max_limits.output_bytes, expected.max_limits.output_bytes);
    EXPECT_EQ(deployed.images, expected.images);
    for (const auto& [registry, hosts] : deployed.allowed_registries) {
      EXPECT_TRUE(hosts.empty()) << registry << " has a host: no registry is named by default";
    }
  }
}

}  // namespace
}  // namespace sandgate::policy
