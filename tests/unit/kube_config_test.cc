// Credentials: kubeconfig files good and bad.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "libs/kube/api.h"

namespace sandgate::kube {
namespace {

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kubeconfig-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) const {
    const std::string path = (directory_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  // A kubeconfig with these two blocks in it.
  std::string Kubeconfig(const std::string& cluster, const std::string& user) const {
    return Write("config",
                 "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                 "clusters: [{name: k, cluster: {" +
                     cluster +
                     "}}]\n"
                     "users: [{name: u, user: {" +
                     user + "}}]\n");
  }

  std::filesystem::path directory_;
};

TEST_F(ConfigTest, InlineData) {
  const auto config =
      LoadConfig(Kubeconfig("server: 'https://h:1', certificate-authority-data: Y2E=",
                            "client-certificate-data: Y2VydA==, client-key-data: a2V5"));
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->base_url, "https://h:1");
  EXPECT_EQ(config->ca_pem, "ca");
  EXPECT_EQ(config->client_certificate_pem, "cert");
  EXPECT_EQ(config->client_key_pem, "key");
}

TEST_F(ConfigTest, FilesBesideIt) {
  Write("ca.crt", "CA");
  const auto config = LoadConfig(
      Kubeconfig("server: 'https://h', certificate-authority: ca.crt", "token: t, tokenFile: tok"));
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->token_file, (directory_ / "tok").string());
  EXPECT_EQ(config->token, "");
}

TEST_F(ConfigTest, SaysWhatIsWrong) {
  const struct {
    std::string cluster, user, expected;
  } bad[] = {
      {"server: ''", "token: t", "no server"},
      {"server: 'https://h', certificate-authority-data: '%%'", "token: t", "not base64"},
      {"server: 'https://h', certificate-authority: gone", "token: t", "gone: cannot be read"},
      {"server: 'https://h', insecure-skip-tls-verify: true", "token: t", "insecure-skip"},
      {"server: 'https://h', proxy-url: 'http://p'", "token: t", "proxy-url"},
      {"server: 'https://h'", "exec: {command: x}", "user.exec"},
      {"server: 'https://h'", "client-key-data: a2V5", "belong together"},
  };
  for (const auto& one : bad) {
    const auto config = LoadConfig(Kubeconfig(one.cluster, one.user));
    ASSERT_EQ(config.status().code(), base::Code::kInvalidArgument) << one.expected;
    EXPECT_NE(config.status().message().find(one.expected), std::string::npos)
        << config.status().message();
  }
  for (const char* text : {"", "[]", "a: [", "current-context: c", "users: 1\ncurrent-context: c",
                           "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]"}) {
    EXPECT_EQ(LoadConfig(Write("config", text)).status().code(), base::Code::kInvalidArgument)
        << text;
  }
}

TEST_F(ConfigTest, ErrorsNeverShowTheFilesText) {
  const auto config = LoadConfig(Write("config", "users: [{token: 'sup3rsecret\n"));
  EXPECT_EQ(config.status().message().find("sup3rsecret"), std::string::npos);
}

}  // namespace
}  // namespace sandgate::kube
