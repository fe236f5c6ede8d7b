// Package installation: everything that is refused before a human is asked, in its order.
#include <gmock/gmock.h>

#include "operator/install_logic.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kRegistries[] =
    "security: {sandbox: {network: {allowed_registries: {pypi: [index.example, files.example], "
    "internal: [own.example], npm: []}}}}";

struct Row {
  const char* package;
  const char* registry;
  bool network;
  const char* ending;
  const char* says;
};

TEST(InstallTest, RefusesBeforeAHumanIsAsked) {
  const Row rows[] = {
      {"--index-url=x", "", false, "Failed InvalidPackage", "options"},
      {"requests==2.31.0", "https://x", false, "Failed InvalidRegistry", "registry: "},
      {"requests==2.31.0", "", false, "Failed NetworkAccessRequired",
       "Network access required for package installation"},
      {"requests==2.31.0", "nowhere", false, "Failed NetworkAccessRequired", "Network access"},
      {"requests==2.31.0", "nowhere", true, "Failed RegistryNotAllowed",
       "security.sandbox.network.allowed_registries.nowhere"},
      {"axios@1.6.0", "npm", true, "Failed RegistryNotConfigured",
       "security.sandbox.network.allowed_registries.npm"},
      {"requests==2.31.0", "", true, "Failed NetworkUnavailable", "no egress proxy"},
      {"requests==2.31.0", "pypi", true, "Failed NetworkUnavailable", "no egress proxy"},
      {"requests", "internal", true, "Failed NetworkUnavailable", "no egress proxy"},
  };
  for (const Row& row : rows) {
    Moment m;
    m.policy = LoadPolicy(kRegistries);
    m.execution.spec.operation = api::Operation::kInstallPackage;
    m.execution.spec.code.clear();
    m.execution.spec.package = row.package;
    m.execution.spec.registry = row.registry;
    m.sandbox.status.effective->network_enabled = row.network;
    const api::ExecutionStatus status = m.Status();
    ASSERT_TRUE(status.error) << row.package;
    EXPECT_EQ(std::string("Failed ") + status.error->code, row.ending) << row.package;
    EXPECT_EQ(status.phase, api::ExecutionPhase::kFailed);
    EXPECT_THAT(status.error->message, HasSubstr(row.says));
  }
}

TEST(InstallTest, UnsetRegistriesNameTheValueToSet) {
  Moment m;
  m.execution.spec.operation = api::Operation::kInstallPackage;
  m.execution.spec.package = "requests";
  m.sandbox.status.effective->network_enabled = true;
  const api::ExecutionStatus status = m.Status();
  ASSERT_TRUE(status.error);
  EXPECT_EQ(status.error->code, "RegistryNotConfigured");
  EXPECT_THAT(status.error->message, HasSubstr("security.sandbox.network.allowed_registries.pypi"));
}

TEST(InstallTest, ItsDomainsAreThePolicys) {
  const auto policy = LoadPolicy(kRegistries);
  api::ExecutionSpec spec;
  spec.operation = api::Operation::kInstallPackage;
  spec.package = "requests";
  spec.allowed_domains = {"evil.example"};
  EXPECT_THAT(DomainsOf(spec, policy->sandbox()), ElementsAre("index.example", "files.example"));
  spec.registry = "internal";
  EXPECT_THAT(DomainsOf(spec, policy->sandbox()), ElementsAre("own.example"));
  spec.operation = api::Operation::kExecute;
  EXPECT_THAT(DomainsOf(spec, policy->sandbox()), ElementsAre("evil.example"));
}

// A Sandbox that does not say has network as the policy says; one that says keeps its word.
TEST(InstallTest, NetworkByDefault) {
  const auto on = LoadPolicy("security: {sandbox: {network: {enabled_by_default: true}}}");
  api::SandboxSpec spec;
  spec.language = api::Language::kPython;
  EXPECT_TRUE(policy::Effective(on->sandbox(), spec)->network_enabled);
  EXPECT_FALSE(policy::Effective(policy::Policy::Default()->sandbox(), spec)->network_enabled);
  spec.network_enabled = false;
  EXPECT_FALSE(policy::Effective(on->sandbox(), spec)->network_enabled);
  spec.network_enabled = true;
  EXPECT_TRUE(policy::Effective(policy::Policy::Default()->sandbox(), spec)->network_enabled);
}

}  // namespace
}  // namespace sandgate::op
