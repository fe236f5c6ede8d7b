#include <gtest/gtest.h>

#include "libs/api/runner_protocol.h"

namespace sandgate::api {
namespace {

RunNetwork Network() {
  return {"10.96.0.7:8443", "sgeg1.x.y.z", {"example.com", "*.example.org"}, "-----BEGIN"};
}

RunRequest Install() {
  RunRequest request;
  request.boot_id = "boot";
  request.operation = Operation::kInstallPackage;
  request.timeout_millis = 3000;
  request.memory_bytes = 512 << 20;
  request.output_bytes = 1 << 20;
  request.network = Network();
  request.install =
      InstallRequest{Installer::kNpm, "@types/node@^20", "https://mirror.example.com/npm/"};
  return request;
}

TEST(RunNetwork, SurvivesARoundTrip) {
  const auto read = RunRequestFromJson(ToJson(Install()));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->network, Network());
  EXPECT_EQ(read->install, Install().install);
}

TEST(RunNetwork, NamesTheMemberThatIsWrong) {
  const struct {
    const char* member;
    Json value;
    const char* problem;
  } kCases[] = {
      {"proxy", "", "network.proxy: must be from 1 to 80 bytes"},
      {"proxy", 8443, "network.proxy: must be text"},
      {"grant", std::string(8193, 'g'), "network.grant: must be from 1 to 8192 bytes"},
      {"grant", nullptr, "network.grant: must be text"},
      {"caBundle", std::string(512 * 1024 + 1, 'c'), "network.caBundle: must be from 0"},
      {"domains", Json::array(), "network.domains: must be a list of 1 to 64 names"},
      {"domains", Json(std::vector<std::string>(65, "a.test")), "network.domains: must be a list"},
      {"domains", {"a.test", ""}, "network.domains: one is no name"},
      {"domains", {7}, "network.domains: must be names"},
      {"domains", {std::string(256, 'a')}, "network.domains: one is no name"},
  };
  for (const auto& one : kCases) {
    Json json = ToJson(Network());
    json[one.member] = one.value;
    const auto read = RunNetworkFromJson(json);
    EXPECT_EQ(read.status().code(), base::Code::kInvalidArgument) << one.problem;
    EXPECT_TRUE(read.status().message().starts_with(one.problem)) << read.status().message();
  }
}

TEST(RunNetwork, FilesHaveNoUseForItAndInstallsNeedIt) {
  RunRequest read_file = Install();
  read_file.operation = Operation::kReadFile;
  read_file.path = "a";
  EXPECT_EQ(RunRequestFromJson(ToJson(read_file)).status().message(),
            "network: a file operation has no use for it");
  RunRequest without = Install();
  without.network.reset();
  EXPECT_EQ(RunRequestFromJson(ToJson(without)).status().message(),
            "network: is missing: an install cannot do without");
}

TEST(InstallRequest, NamesTheMemberThatIsWrong) {
  const struct {
    const char* member;
    Json value;
    const char* problem;
  } kCases[] = {
      {"installer", "apt", "install.installer: must be pip or npm"},
      {"package", "", "install.package: must be a package"},
      {"package", "--index-url=https://elsewhere.test", "install.package: must be a package"},
      {"package", std::string(257, 'p'), "install.package: must be a package"},
      {"indexUrl", "http://mirror.example.com/", "install.indexUrl: must be an https:// address"},
      {"indexUrl", "https://mirror.example.com/a b", "install.indexUrl: must be"},
      {"indexUrl", "", "install.indexUrl: must be"},
  };
  for (const auto& one : kCases) {
    Json json = ToJson(*Install().install);
    json[one.member] = one.value;
    const auto read = InstallRequestFromJson(json);
    EXPECT_EQ(read.status().code(), base::Code::kInvalidArgument) << one.problem;
    EXPECT_TRUE(read.status().message().starts_with(one.problem)) << read.status().message();
  }
}

TEST(InstalledPackages, AreARunnersWordAndReadAsSuch) {
  RunState state;
  state.run_id = "r1";
  state.finished = state.started = true;
  state.packages = {{"requests", "2.31.0", "sha256:00ff"}, {"idna", "3.4", ""}};
  const auto read = RunStateFromJson(ToJson(state), 1024);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->packages, state.packages);

  const struct {
    const char* what;
    Json list;
  } kBad[] = {
      {"no list", "requests"},
      {"no name", {{{"version", "1"}}}},
      {"no version", {{{"name", "a"}}}},
      {"a line break", {{{"name", "a\nb"}, {"version", "1"}}}},
      {"not ASCII", {{{"name", "\u0430"}, {"version", "1"}}}},
      {"a long name", {{{"name", std::string(215, 'a')}, {"version", "1"}}}},
      {"a long version", {{{"name", "a"}, {"version", std::string(129, '1')}}}},
      {"a long hash", {{{"name", "a"}, {"version", "1"}, {"hash", std::string(257, 'f')}}}},
      {"too many", Json(std::vector<Json>(513, {{"name", "a"}, {"version", "1"}}))},
  };
  for (const auto& one : kBad) {
    Json json = ToJson(state);
    json["packages"] = one.list;
    EXPECT_FALSE(RunStateFromJson(json, 1024).ok()) << one.what;
  }
}

TEST(Probe, SurvivesARoundTripAndNamesWhatIsWrong) {
  const auto read = ProbeRequestFromJson(ToJson(ProbeRequest{"10.244.0.9:8082", 500}));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->address, "10.244.0.9:8082");
  EXPECT_EQ(read->timeout_millis, 500);
  for (const int64_t millis : {int64_t{0}, int64_t{-1}, kMaxProbeMillis + 1}) {
    EXPECT_EQ(ProbeRequestFromJson(ToJson(ProbeRequest{"10.244.0.9:8082", millis})).status().code(),
              base::Code::kInvalidArgument);
  }
  for (const ProbeOutcome outcome : {ProbeOutcome::kConnected, ProbeOutcome::kTimedOut,
                                     ProbeOutcome::kRefused, ProbeOutcome::kUnreachable}) {
    EXPECT_EQ(*ProbeOutcomeFromJson(ProbeOutcomeToJson(outcome)), outcome);
  }
  EXPECT_FALSE(ProbeOutcomeFromJson({{"outcome", "Maybe"}}).ok());
}

}  // namespace
}  // namespace sandgate::api
