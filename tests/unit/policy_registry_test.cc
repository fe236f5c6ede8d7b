// Addresses of registries: which a policy may name, and where an install looks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/policy/index_url.h"
#include "libs/policy/package.h"

namespace sandgate::policy {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kHosts = {"index.example", "files_1.example"};

TEST(PolicyRegistry, GoodAddresses) {
  const struct {
    const char* url;
    const char* normal;
  } kRows[] = {
      {"https://index.example", "https://index.example/"},
      {"https://index.example/", "https://index.example/"},
      {"https://index.example/simple", "https://index.example/simple/"},
      {"HTTPS://INDEX.Example/Simple/", "https://index.example/Simple/"},
      {"https://files_1.example/repository/py-pi_v1.0~x/+simple/",
       "https://files_1.example/repository/py-pi_v1.0~x/+simple/"},
      {"https://index.example/%5Fteam/@scope/", "https://index.example/%5Fteam/@scope/"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(WhyNoIndexUrl(row.url, kHosts), "") << row.url;
    EXPECT_EQ(NormalIndexUrl(row.url), row.normal);
    EXPECT_EQ(NormalIndexUrl(row.normal), row.normal);
  }
}

TEST(PolicyRegistry, BadAddressesSayWhy) {
  const struct {
    std::string url;
    const char* says;
  } kRows[] = {
      {"", "https://"},
      {"index.example/simple/", "must begin with https://"},
      {"http://index.example/", "must begin with https://"},
      {"file:///etc", "must begin with https://"},
      {"git+https://index.example/", "must begin with https://"},
      {" https://index.example/", "must begin with https://"},
      {"https:/index.example/", "must begin with https://"},
      {"https://me:secret@index.example/", "no user and no password"},
      {"https://token@index.example/", "no user and no password"},
      {"https://index.example:8443/", "no port"},
      {"https://index.example:443/", "no port"},
      {"https://[2001:db8::1]/", "no port"},
      {"https://index.example/?a=b", "no query"},
      {"https://index.example/#x", "no query and no fragment"},
      {"https:///simple/", "no address"},
      {"https://index.example\\@evil.example/", "no user"},
      {"https://index.example\\.evil.example/", "no address"},
      {"https://index.example/a b/", "no address"},
      {"https://index.example/a\nb/", "no address"},
      {std::string("https://index.example/\0x", 24), "no address"},
      {"https://index.example/$(id)/", "no address"},
      {"https://index.example/%zz/", "no address"},
      {"https://index.example/\xC3\xA9/", "no address"},
      {"https://evil.example/simple/", "names the host evil.example"},
      {"https://evil.example/simple/", "(index.example, files_1.example)"},
      {"https://sub.index.example/", "not among"},
      {"https://index.example./", "not among"},
      {"https://index.example/" + std::string(1003, 'x'), "longer"},
  };
  for (const auto& row : kRows) {
    EXPECT_THAT(WhyNoIndexUrl(row.url, kHosts), HasSubstr(row.says)) << row.url;
  }
  EXPECT_THAT(WhyNoIndexUrl("https://index.example/", {}), HasSubstr("no hosts"));
  EXPECT_EQ(WhyNoIndexUrl("https://index.example/" + std::string(1001, 'x'), kHosts), "");
}

std::string Network(const std::string& text) {
  return "security:\n  sandbox:\n    network:\n" + text;
}

base::Result<std::shared_ptr<const Policy>> Layers(const std::string& base,
                                                   const std::string& over) {
  return Policy::Load({{Network(base), "base.yaml"}, {Network(over), "team.yaml"}});
}

TEST(PolicyRegistry, MistakesNameFileLineAndKey) {
  const struct {
    const char* yaml;
    const char* says;
  } kRows[] = {
      {"      registry_urls: {pypi: 'https://a.example/'}\n",
       "p.yaml:4: security.sandbox.network.registry_urls.pypi: is of a registry that "
       "allowed_registries does not name"},
      {"      allowed_registries: {pypi: []}\n"
       "      registry_urls: {pypi: 'https://a.example/'}\n",
       "p.yaml:5: security.sandbox.network.registry_urls.pypi: is of a registry that has no hosts"},
      {"      allowed_registries: {pypi: [a.example]}\n"
       "      registry_urls:\n"
       "        pypi: http://a.example/\n",
       "p.yaml:6: security.sandbox.network.registry_urls.pypi: must begin with https://; write"},
      {"      registry_urls: [a]\n", "must be a mapping"},
      {"      allowed_registries: {pypi: [a.example]}\n"
       "      registry_urls: {pypi: [x]}\n",
       "p.yaml:5"},
      {"      registry_url: {}\n", "registry_urls"},
  };
  for (const auto& row : kRows) {
    const auto loaded = Policy::Load(Network(row.yaml), "p.yaml");
    ASSERT_FALSE(loaded.ok()) << row.yaml;
    EXPECT_THAT(loaded.status().message(), HasSubstr(row.says));
  }
}

TEST(PolicyRegistry, WhereAnInstallLooks) {
  const auto policy = Policy::Load(Network(R"(
      allowed_registries: {pypi: [A.example, b.example], npm: [c.example], own: [d.example], e: []}
      registry_urls: {npm: "https://c.example/npm", own: "https://D.example/own/simple"}
)"),
                                   "p.yaml");
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  const SandboxSettings& settings = (*policy)->sandbox();
  EXPECT_EQ(IndexUrl(settings, "pypi", Installer::kPip), "https://a.example/simple/");
  EXPECT_EQ(IndexUrl(settings, "npm", Installer::kNpm), "https://c.example/npm/");
  EXPECT_EQ(IndexUrl(settings, "own", Installer::kPip), "https://d.example/own/simple/");
  EXPECT_EQ(IndexUrl(settings, "own", Installer::kNpm), "https://d.example/own/simple/");
  EXPECT_EQ(IndexUrl(settings, "e", Installer::kPip), "");
  EXPECT_EQ(IndexUrl(settings, "none", Installer::kPip), "");
  EXPECT_EQ(IndexUrl(Policy::Default()->sandbox(), "pypi", Installer::kPip), "");
}

// What was approved is bound to the policy's revision.
TEST(PolicyRegistry, TheAddressIsPartOfTheRevision) {
  const auto revision = [](const std::string& urls) {
    return (*Policy::Load(Network("      allowed_registries: {pypi: [a.example]}\n" + urls), "p"))
        ->revision();
  };
  const std::string none = revision("");
  const std::string one = revision("      registry_urls: {pypi: 'https://a.example/1/'}\n");
  EXPECT_NE(none, one);
  EXPECT_NE(one, revision("      registry_urls: {pypi: 'https://a.example/2/'}\n"));
  EXPECT_EQ(one, revision("      registry_urls: {pypi: 'https://A.example/1'}\n"));
}

TEST(PolicyRegistry, Layers) {
  constexpr char kBase[] =
      "      allowed_registries: {pypi: [a.example], npm: [c.example]}\n"
      "      registry_urls: {pypi: 'https://a.example/base/'}\n";
  const auto url = [&](const std::string& over) {
    const auto policy = Layers(kBase, over);
    return policy.ok() ? IndexUrl((*policy)->sandbox(), "pypi", Installer::kPip)
                       : policy.status().message();
  };
  EXPECT_EQ(url("      enabled_by_default: true\n"), "https://a.example/base/");
  EXPECT_EQ(url("      registry_urls: {pypi: 'https://a.example/team/'}\n"),
            "https://a.example/team/");
  EXPECT_EQ(url("      allowed_registries: {pypi: [b.example, a.example]}\n"),
            "https://a.example/base/");
  // Switched off, the address is of no use.
  EXPECT_EQ(url("      allowed_registries: {pypi: []}\n"), "");
  EXPECT_EQ(url("      allowed_registries: {pypi: [b.example]}\n"
                "      registry_urls: {pypi: 'https://b.example/'}\n"),
            "https://b.example/");
  EXPECT_THAT(
      url("      allowed_registries:\n        pypi: [b.example]\n"),
      HasSubstr("team.yaml:5: security.sandbox.network.allowed_registries.pypi: has not the "
                "host of registry_urls.pypi (https://a.example/base/)"));
  EXPECT_THAT(url("      registry_urls: {pypi: 'https://b.example/'}\n"),
              HasSubstr("team.yaml:4: security.sandbox.network.registry_urls.pypi: names the host "
                        "b.example"));
}

}  // namespace
}  // namespace sandgate::policy
