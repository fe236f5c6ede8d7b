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
    m.egress = {EgressView::State::kOff, "no egress proxy"};
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

TEST(InstallTest, WhatTheRunnerIsTold) {
  const auto policy = LoadPolicy(
      "security: {sandbox: {network: {allowed_registries: {pypi: [index.example, files.example], "
      "npm: [npm.example], own: [own.example]}, registry_urls: {own: 'https://own.example/o/'}}}}");
  api::ExecutionSpec spec;
  spec.operation = api::Operation::kInstallPackage;
  spec.package = "x@1";
  api::SandboxSpec sandbox;
  sandbox.language = api::Language::kJavaScript;
  const auto told = [&](const char* registry) {
    spec.registry = registry;
    const auto install = InstallRequestFor(spec, sandbox, policy->sandbox());
    if (!install) return std::string("nothing");
    EXPECT_EQ(install->package, spec.package);
    return std::string(api::InstallerName(install->installer)) + " " + install->index_url;
  };
  EXPECT_EQ(told(""), "pip https://index.example/simple/");
  EXPECT_EQ(told("npm"), "npm https://npm.example/");
  EXPECT_EQ(told("own"), "npm https://own.example/o/");
  sandbox.language = api::Language::kPython;
  EXPECT_EQ(told("own"), "pip https://own.example/o/");
  EXPECT_EQ(told("gone"), "nothing");
  EXPECT_EQ(told("no name"), "nothing");
  spec.operation = api::Operation::kExecute;
  EXPECT_EQ(told("npm"), "nothing");
}

api::RunState Ended(int64_t exit_code) {
  api::RunState state;
  state.finished = state.started = true;
  state.exit_code = exit_code;
  state.packages = {{"requests", "2.31.0", "sha256:58cd"}};
  return state;
}

TEST(InstallTest, ItsResult) {
  api::ExecutionStatus status;
  EXPECT_EQ(TakeInstallResult(Ended(0), &status), api::ExecutionPhase::kSucceeded);
  EXPECT_EQ(status.packages, Ended(0).packages);
  EXPECT_FALSE(status.error);

  status = {};
  EXPECT_EQ(TakeInstallResult(Ended(1), &status), api::ExecutionPhase::kFailed);
  ASSERT_TRUE(status.error);
  EXPECT_EQ(status.error->code, "InstallFailed");
  EXPECT_EQ(status.error->message, "The installer exited with 1: stderr says why.");
  EXPECT_TRUE(status.packages.empty());

  api::RunState untold = Ended(0);
  untold.error_code = "FileNotFound";
  untold.error_message = "there is no report";
  status = {};
  EXPECT_EQ(TakeInstallResult(untold, &status), api::ExecutionPhase::kFailed);
  ASSERT_TRUE(status.error);
  EXPECT_EQ(status.error->code, "InstallFailed");
  EXPECT_THAT(status.error->message, HasSubstr("cannot be told: there is no report"));
  EXPECT_TRUE(status.packages.empty());
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
