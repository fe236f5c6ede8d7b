// `sandgate-operator policy check|test`: what it prints, and its exit codes.
#include "operator/policy_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sandgate::op {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Answer {
  int code;
  std::string out;
  std::string err;
};

Answer Command(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const int code = PolicyCommand(arguments, out, err);
  return {code, out.str(), err.str()};
}

class PolicyCommandTest : public ::testing::Test {
 protected:
  PolicyCommandTest() {
    std::string name = ::testing::TempDir() + "policy-command-XXXXXX";
    dir_ = mkdtemp(name.data());
    good_ = File("good.yaml", "security: {hitl: {enabled: true}}\n");
    open_ = File("open.yaml", "security:\n  hitl:\n    enabled: false\n");
    bad_ = File("bad.yaml", "security:\n  hitl:\n    enabld: false\n");
  }
  ~PolicyCommandTest() override { std::filesystem::remove_all(dir_); }

  std::string File(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }

  std::string dir_, good_, open_, bad_;
};

TEST_F(PolicyCommandTest, JudgesCode) {
  const Answer answer = Command({"test", good_, "--tool", "code_execute", "--code", "x\neval(y)"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out,
            "risk: CRITICAL\napproval: needed, within 30 s; without a decision it is denied\n"
            "  CRITICAL: runs text as code (eval) (line 2: eval(y))\n  HIGH: runs code\n");
}

TEST_F(PolicyCommandTest, JudgesEveryTool) {
  struct Row {
    std::vector<std::string> arguments;
    const char* risk;
  };
  const Row rows[] = {
      {{"--tool=code_execute", "--code=print(1)"}, "HIGH"},
      {{"--tool=code_execute", "--code=print(1)", "--network"}, "CRITICAL"},
      {{"--tool=code_execute", "--code=import os as o", "--language=shell"}, "HIGH"},
      {{"--tool=code_install_package", "--param=package=requests==2.31.0"}, "HIGH"},
      {{"--tool=code_install_package", "--param", "package=x", "--param", "registry=own"},
       "CRITICAL"},
      {{"--tool=code_write_file", "--param=file_path=a.txt", "--param=content=x"}, "MEDIUM"},
      {{"--tool=code_write_file", "--param=file_path=a", "--param=mode=0755"}, "HIGH"},
      {{"--tool=code_read_file", "--param=file_path=a"}, "MEDIUM"},
      {{"--tool=code_list_files"}, "MEDIUM"},
      {{"--tool=code_destroy_sandbox"}, "LOW"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"test", good_};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const Answer answer = Command(arguments);
    EXPECT_EQ(answer.code, 0) << answer.err;
    EXPECT_THAT(answer.out, HasSubstr(std::string("risk: ") + row.risk + "\n"))
        << row.arguments[0] << " " << row.arguments.back();
  }
}

TEST_F(PolicyCommandTest, SaysWhoDecides) {
  const std::vector<std::string> call = {"--tool", "code_execute", "--code", "print(1)"};
  const auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), call.begin(), call.end());
    return Command(arguments);
  };
  EXPECT_THAT(with({"test", good_}).out, HasSubstr("approval: needed, within 60 s"));
  EXPECT_THAT(with({"test", open_}).out, HasSubstr("approval: not needed\n"));
  // A namespace's policy over the deployment's.
  EXPECT_THAT(with({"test", good_, "--base", open_}).out, HasSubstr("approval: needed"));
  EXPECT_THAT(with({"test", File("empty.yaml", ""), "--base", open_}).out,
              HasSubstr("approval: not needed"));
  const std::string off = File("off.yaml", "security: {sandbox: {enabled: false}}\n");
  EXPECT_THAT(with({"test", off}).out, HasSubstr("refused: security.sandbox.enabled is false"));
}

constexpr char kConfigMaps[] = R"(apiVersion: v1
kind: ConfigMap
metadata: {name: sandgate-policy}
data:
  policy.yaml: "security: {hitl: {auto_approve_low_risk: false}}"
---
apiVersion: v1
kind: Service
metadata: {name: something-else}
---
apiVersion: v1
kind: List
items:
- kind: ConfigMap
  metadata:
    name: open
    labels: {sandgate.dev/policy: "true"}
    annotations: {sandgate.dev/namespaces: team-a}
  data: {sandgate.yaml: "security: {hitl: {enabled: false}}"}
- kind: ConfigMap
  metadata:
    name: strict
    labels: {sandgate.dev/policy: "true"}
    annotations: {sandgate.dev/namespace-selector: "tier=gold"}
  data:
    sandgate.yaml: |
      security: {hitl: {rules: [{tools: [code_execute], risk: CRITICAL}]}}
- kind: ConfigMap
  metadata: {name: unlabelled, annotations: {sandgate.dev/namespaces: team-b}}
  data: {sandgate.yaml: "nonsense"}
)";

TEST_F(PolicyCommandTest, JudgesByTheNamespacesPolicy) {
  const std::string maps = File("maps.yaml", kConfigMaps);
  const auto in = [&](const std::string& ns, const std::string& labels = "") {
    std::vector<std::string> arguments = {"test",   maps,       "--tool",      "code_execute",
                                          "--code", "print(1)", "--namespace", ns};
    if (!labels.empty()) arguments.insert(arguments.end(), {"--namespace-labels", labels});
    return Command(arguments);
  };
  EXPECT_THAT(in("team-a").out, HasSubstr("risk: HIGH\napproval: not needed"));
  EXPECT_THAT(in("team-b").out, HasSubstr("risk: HIGH\napproval: needed"));
  EXPECT_THAT(in("team-b", "tier=gold,env=test").out, HasSubstr("risk: CRITICAL"));
  EXPECT_THAT(in("team-a", "tier=gold").out, HasSubstr("approval: not needed"));  // by name
  EXPECT_EQ(in("team-b", "tier").code, 1);
}

TEST_F(PolicyCommandTest, ANamespaceWithoutOnePolicyIsRefused) {
  std::string text = kConfigMaps;
  text.replace(text.find("namespaces: team-b}}"), 20,
               "namespaces: team-a}, labels: {sandgate.dev/policy: 'true'}}");
  const std::string maps = File("maps.yaml", text);
  const std::vector<std::string> call = {"--tool", "code_list_files", "--namespace", "team-a"};
  std::vector<std::string> arguments = {"test", maps};
  arguments.insert(arguments.end(), call.begin(), call.end());
  Answer answer = Command(arguments);
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.err, HasSubstr("ConfigMap unlabelled: unlabelled:1: "));
  text.replace(text.find("\"nonsense\""), 10, "\"security: {}\"");
  arguments[1] = File("two.yaml", text);
  answer = Command(arguments);
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.err, HasSubstr("PolicyAmbiguous"));
  EXPECT_THAT(answer.err, HasSubstr("(open and unlabelled)"));
  arguments[1] = File("none.yaml", "");
  EXPECT_THAT(Command(arguments).err, HasSubstr("there is no ConfigMap in it"));
  arguments[1] = File("bad.yaml", "kind: ConfigMap\nmetadata: {}\n");
  EXPECT_THAT(Command(arguments).err, HasSubstr("bad.yaml:1: a ConfigMap without metadata.name"));
  arguments[1] = File("data.yaml", "kind: ConfigMap\nmetadata: {name: x}\ndata: {a: [b]}\n");
  EXPECT_THAT(Command(arguments).err, HasSubstr("data.yaml:3: data must hold texts alone"));
}

TEST_F(PolicyCommandTest, CodeFromAFile) {
  const std::string code = File("code.py", "import subprocess\n");
  EXPECT_THAT(Command({"test", good_, "--tool", "code_execute", "--code-file", code}).out,
              HasSubstr("subprocess"));
  const Answer both =
      Command({"test", good_, "--tool", "code_execute", "--code-file", code, "--code", "x"});
  EXPECT_EQ(both.code, 2);
}

TEST_F(PolicyCommandTest, ChecksAFile) {
  const Answer answer = Command({"check", good_});
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(answer.out, HasSubstr(good_ + ": a policy, revision "));
  EXPECT_EQ(Command({"check", open_, "--base", good_}).code, 0);
}

TEST_F(PolicyCommandTest, ARefusedFileIsNamedWithItsLine) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"check", bad_},
                                                    {"check", good_, "--base", bad_},
                                                    {"test", bad_, "--tool", "code_list_files"}}) {
    const Answer answer = Command(arguments);
    EXPECT_EQ(answer.code, 1);
    EXPECT_THAT(answer.err, HasSubstr(bad_ + ":3: security.hitl.enabld: unknown key"));
    EXPECT_EQ(answer.out, "");
  }
  EXPECT_EQ(Command({"check", dir_ + "/nothing"}).code, 1);
  EXPECT_EQ(Command({"check", dir_}).code, 1);
}

TEST_F(PolicyCommandTest, WrongArgumentsAreNamed) {
  struct Row {
    std::vector<std::string> arguments;
    const char* says;
  };
  const Row rows[] = {
      {{}, "check or test is missing"},
      {{"tset", good_}, "unknown command tset"},
      {{"check"}, "FILE is missing"},
      {{"check", good_, open_}, "unexpected argument"},
      {{"check", good_, "--tool", "x"}, "no option of policy check"},
      {{"check", good_, "--base"}, "--base needs a value"},
      {{"test", good_}, "--tool is missing"},
      {{"test", good_, "--tool", "code_exec"}, "is no tool; the tools are code_execute"},
      {{"test", good_, "--tool", "code_execute"}, "needs --code"},
      {{"test", good_, "--tool", "code_execute", "--code", "x", "--language", "ruby"},
       "--language"},
      {{"test", good_, "--tool", "code_execute", "--code-file", dir_ + "/no"}, "cannot be read"},
      {{"test", good_, "--tool", "code_list_files", "--code", "x"}, "no parameter of"},
      {{"test", good_, "--tool", "code_list_files", "--param", "path"}, "NAME=VALUE"},
      {{"test", good_, "--tool", "code_list_files", "--param", "path=a", "--param", "path=b"},
       "twice"},
      {{"test", good_, "--tool", "code_execute", "--param", "network_enabled=true"}, "--network"},
      {{"test", good_, "--tool", "code_list_files", "--namespace-labels", "a=b"},
       "needs --namespace"},
      {{"test", good_, "--verbose", "x"}, "unknown option --verbose"},
  };
  for (const Row& row : rows) {
    const Answer answer = Command(row.arguments);
    EXPECT_EQ(answer.code, 2) << row.says;
    EXPECT_THAT(answer.err, HasSubstr(row.says));
    EXPECT_THAT(answer.err, HasSubstr("usage: "));
    EXPECT_EQ(answer.out, "");
  }
}

TEST_F(PolicyCommandTest, Help) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"test", "-h"}, {"check", good_, "--help"}}) {
    const Answer answer = Command(arguments);
    EXPECT_EQ(answer.code, 0);
    EXPECT_THAT(answer.out, HasSubstr("policy test FILE --tool TOOL"));
    EXPECT_EQ(answer.err, "");
  }
}

}  // namespace
}  // namespace sandgate::op
