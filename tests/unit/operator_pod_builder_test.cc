#include <gtest/gtest.h>

#include "libs/policy/policy.h"
#include "operator/compare.h"
#include "operator/pod_builder.h"
#include "operator/pod_facts.h"

namespace sandgate::op {
namespace {

using api::Json;

api::Sandbox MakeSandbox() {
  api::Sandbox sandbox;
  sandbox.meta.ns = "agents";
  sandbox.meta.name = "box";
  sandbox.meta.uid = "sandbox-uid";
  sandbox.spec.language = api::Language::kPython;
  return sandbox;
}

api::EffectiveLimits MakeLimits() {
  return *policy::Effective(policy::Policy::Default()->sandbox(), MakeSandbox().spec);
}

Json MakePod() {
  return BuildPod(MakeSandbox(), MakeLimits(), "gvisor", Settings{});
}

TEST(PodBuilderTest, EveryMemberThatIsolates) {
  const Json pod = MakePod();
  const struct {
    const char* pointer;
    Json value;
  } cases[] = {
      {"/metadata/name", "sgsb-box"},
      {"/metadata/labels/sandgate.dev~1sandbox", "box"},
      {"/metadata/ownerReferences/0/uid", "sandbox-uid"},
      {"/metadata/ownerReferences/0/controller", true},
      {"/spec/runtimeClassName", "gvisor"},
      {"/spec/automountServiceAccountToken", false},
      {"/spec/enableServiceLinks", false},
      {"/spec/dnsPolicy", "None"},
      {"/spec/restartPolicy", "Never"},
      {"/spec/securityContext/runAsNonRoot", true},
      {"/spec/securityContext/runAsUser", 1000},
      {"/spec/securityContext/seccompProfile/type", "RuntimeDefault"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(pod.value(Json::json_pointer(one.pointer), Json()), one.value) << one.pointer;
  }
  for (const char* absent : {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"}) {
    EXPECT_FALSE(pod["spec"].contains(absent)) << absent;
  }
  EXPECT_FALSE(pod["metadata"]["labels"].contains(kNetworkLabel));
}

TEST(PodBuilderTest, EveryContainerIsLockedDownAndLimited) {
  const Json pod = MakePod();
  std::vector<Json> containers = pod["spec"]["initContainers"];
  containers.push_back(pod["spec"]["containers"][0]);
  ASSERT_EQ(containers.size(), 2u);
  for (const Json& one : containers) {
    const Json& security = one["securityContext"];
    EXPECT_EQ(security["allowPrivilegeEscalation"], false) << one["name"];
    EXPECT_EQ(security["readOnlyRootFilesystem"], true) << one["name"];
    EXPECT_EQ(security["capabilities"], Json({{"drop", Json::array({"ALL"})}})) << one["name"];
    for (const char* resource : {"cpu", "memory"}) {
      EXPECT_TRUE(one["resources"]["limits"].contains(resource))
          << one["name"] << ": a container without a limit makes the whole pod unlimited";
      EXPECT_TRUE(one["resources"]["requests"].contains(resource)) << one["name"];
    }
    ASSERT_TRUE(one["command"].is_array());
  }
}

TEST(PodBuilderTest, MemoryHoldsTheRunTheWorkspaceAndASpike) {
  api::EffectiveLimits limits = MakeLimits();
  const auto memory = [&] {
    const Json pod = BuildPod(MakeSandbox(), limits, "gvisor", Settings{});
    return pod["spec"]["containers"][0]["resources"]["limits"]["memory"].get<std::string>();
  };
  EXPECT_EQ(memory(), std::to_string((512LL + 1024 + 128) << 20));
  limits.cpu_millis = 1001;
  EXPECT_EQ(memory(), std::to_string((512LL + 1024 + 3 * 128) << 20));
}

TEST(PodBuilderTest, OnlyTheInitContainerMountsTheSecret) {
  const Json pod = MakePod();
  for (const Json& mount : pod["spec"]["containers"][0]["volumeMounts"]) {
    EXPECT_NE(mount["name"], "secret");
  }
  for (const Json& volume : pod["spec"]["volumes"]) {
    EXPECT_TRUE(volume.contains("emptyDir") || volume.contains("secret")) << volume;
    if (volume["name"] == "workspace" || volume["name"] == "identity") {
      EXPECT_EQ(volume["emptyDir"]["medium"], "Memory") << volume;
      EXPECT_TRUE(volume["emptyDir"].contains("sizeLimit")) << volume;
    }
  }
}

TEST(PodBuilderTest, TheLimitsTravelWithThePod) {
  const auto facts = PodFacts::FromJson(MakePod());
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->effective, MakeLimits());
  EXPECT_EQ(facts->SandboxUid(), "sandbox-uid");
}

TEST(PodBuilderTest, TheSecretIsNamedByUidAndImmutable) {
  const Json secret = BuildRunnerSecret(MakeSandbox(), {"cert", "key"}, "ca");
  EXPECT_EQ(secret["metadata"]["name"], "sgsb-sandbox-uid");
  EXPECT_EQ(secret["immutable"], true);
  EXPECT_EQ(secret["metadata"]["ownerReferences"][0]["uid"], "sandbox-uid");
  EXPECT_EQ(secret["data"]["tls.key"], "a2V5");
}

TEST(NetworkPolicyTest, InFromTheOperatorOutToNowhere) {
  const std::vector<Json> policies = BuildNetworkPolicies("agents", Settings{});
  ASSERT_EQ(policies.size(), 2u);
  const Json& all = policies[0]["spec"];
  EXPECT_EQ(policies[0]["metadata"]["name"], "sandgate-sandboxes");
  EXPECT_EQ(all["podSelector"]["matchExpressions"][0]["key"], "sandgate.dev/sandbox");
  EXPECT_EQ(all["policyTypes"], Json::array({"Ingress", "Egress"}));
  EXPECT_FALSE(all.contains("egress"));
  ASSERT_EQ(all["ingress"].size(), 1u);
  ASSERT_EQ(all["ingress"][0]["from"].size(), 1u);
  EXPECT_EQ(
      all["ingress"][0]["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"],
      "operator");
  EXPECT_EQ(all["ingress"][0]["ports"][0]["port"], 8443);
  const Json& networked = policies[1]["spec"];
  EXPECT_EQ(networked["policyTypes"], Json::array({"Egress"}));
  EXPECT_EQ(networked["podSelector"]["matchLabels"]["sandgate.dev/network"], "enabled");
  EXPECT_EQ(networked["egress"][0]["ports"][0]["port"], 8443);
}

TEST(CompareTest, OneMoreMemberIsADifferenceUnlessTheServerFillsItIn) {
  const struct {
    const char* expected;
    const char* live;
    const char* where;
  } cases[] = {
      {R"({"a":1})", R"({"a":1})", ""},
      {R"({"a":1})", R"({"a":2})", "a"},
      {R"({"a":1})", R"({})", "a"},
      {R"({"a":[{"b":1}]})", R"({"a":[{"b":2}]})", "a[0].b"},
      {R"({"a":[1]})", R"({"a":[1,2]})", "a"},
      {R"({"a":[1,2]})", R"({"a":[2,1]})", "a[0]"},
      {R"({})", R"({"matchConditions":[{"expression":"false"}]})", "matchConditions"},
      {R"({})", R"({"matchPolicy":"Equivalent","namespaceSelector":{}})", ""},
      {R"({"matchPolicy":"Equivalent"})", R"({"matchPolicy":"Exact"})", "matchPolicy"},
      {R"({})", R"({"failurePolicy":"Ignore"})", "failurePolicy"},
      {R"({})", R"({"egress":[{}]})", "egress"},
      {R"({})", R"({"ingress":[]})", "ingress"},
      {R"({"ingress":[{"from":[1]}]})", R"({"ingress":[{"from":[1]},{}]})", "ingress"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(FirstDifference(Json::parse(one.expected), Json::parse(one.live)), one.where)
        << one.expected << " and " << one.live;
  }
}

TEST(DiagnosisTest, RefusalsNameTheirCause) {
  const struct {
    const char* message;
    const char* reason;
  } cases[] = {
      {"pods \"x\" is forbidden: exceeded quota: q, requested: pods=1", "QuotaExceeded"},
      {"pods \"x\" is forbidden: maximum memory usage per Pod is 1Gi", "LimitRangeExceeded"},
      {"pod rejected: RuntimeClass \"gvisor\" not found", "RuntimeClassMissing"},
      {"violates PodSecurity \"restricted:latest\"", "PodSecurityRefused"},
      {"something else", "PodRefused"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(WhyRefused(one.message, "gvisor").reason, one.reason) << one.message;
  }
}

}  // namespace
}  // namespace sandgate::op
