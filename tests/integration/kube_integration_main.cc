#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "libs/base/ids.h"
#include "tests/integration/kube_integration_env.h"

namespace sandgate::kube {

rest::Config RealConfig() {
  const auto config = LoadConfig("");
  if (!config.ok()) {
    std::cerr << config.status().ToString() << "\n";
    std::abort();
  }
  return *config;
}

std::shared_ptr<rest::Transport> RealTransport() {
  static const std::shared_ptr<rest::Transport> transport = [] {
    auto created = rest::CreateTransport(RealConfig());
    EXPECT_TRUE(created.ok()) << created.status().ToString();
    return std::shared_ptr<rest::Transport>(std::move(created).value());
  }();
  return transport;
}

std::string NewNamespace(const Api& api) {
  const std::string name = "t-" + base::RandomHex(4);
  const auto made = api.Create(kNamespaces, "", {{"metadata", {{"name", name}}}});
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return name;
}

std::string TokenOf(const std::string& user) {
  const char* directory = std::getenv("SANDGATE_TESTENV");
  std::ifstream in(std::string(directory == nullptr ? "" : directory) + "/" + user + ".token");
  std::string token;
  in >> token;
  EXPECT_FALSE(token.empty()) << user;
  return token;
}

}  // namespace sandgate::kube

int main(int argc, char** argv) {
  if (std::getenv("SANDGATE_TESTENV") == nullptr) {
    std::cerr << "run me under dev/testenv\n";
    return 2;
  }
  sandgate::rest::Initialize(2);  // as few threads as the programs give it
  if (argc == 4 && std::string(argv[1]) == "--lead") {
    sandgate::kube::LeadUntilKilled(argv[2], argv[3]);
  }
  testing::InitGoogleTest(&argc, argv);
  // Applied once: the tests use the project's own kinds.
  const int applied = std::system(
      "kubectl apply -f crds/ >&2 && kubectl wait --for=condition=Established --timeout=120s "
      "crd/sandboxes.sandgate.dev crd/executions.sandgate.dev crd/approvals.sandgate.dev >&2");
  if (applied != 0) {
    std::cerr << "the CRDs cannot be applied\n";
    return 2;
  }
  return RUN_ALL_TESTS();
}
