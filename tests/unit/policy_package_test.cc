// Names of packages: what an installer may be given, and what it may not.
#include <gtest/gtest.h>

#include "libs/policy/package.h"

namespace sandgate::policy {
namespace {

const char* const kPip[] = {
    "requests",
    "requests==2.31.0",
    "requests===2.31.0",
    "requests>=2,<3",
    "requests ~= 2.31 , != 2.31.1",
    "requests==2.*",
    "requests[socks]==2.31.0",
    "requests[socks, use_chardet_on_py3]",
    "zope.interface",
    "Flask_SQLAlchemy",
    "torch==2.1.0+cpu",
    "x==1!2.0.post1.dev3",
    "a",
    "3to2",
};

const char* const kNotPip[] = {
    "",
    " requests",
    "requests ",
    "-r requirements.txt",
    "--index-url=//evil x",
    "-e .",
    "requests --pre",
    "requests -t /",
    "git+https://evil.example/x",
    "https://evil.example/x.whl",
    "x @ https://evil.example/x.whl",
    "x @ file:///etc",
    "x@1.0",
    "./local",
    "../up",
    "/abs",
    "~/home",
    "dir/sub",
    "dir\\sub",
    ".",
    "x.whl",
    "x.tar.gz",
    "x.zip[extra]",
    "x.zip==1",
    "x==1.zip",
    "x==1.tar.gz",
    "X.WHL",
    "requests; os_name == 'posix'",
    "requests;python_version<'3'",
    "requests==2.31.0;",
    "requests==",
    "requests=2.31.0",
    "requests==2.31.0,",
    "requests==*",
    "requests>=2 <3",
    "requests[",
    "requests[]",
    "requests[a",
    "requests[a/b]",
    "requests(>=2)",
    "a b",
    "requests\nevil",
    "requests\tevil",
    "requests==2.31.0\n",
    "requests==2.31.0 # comment",
    "requests==$(id)",
    "requests==`id`",
    "requests==2|id",
    "${HOME}",
    "requ\xC3\xA9sts",
    "\xEF\xBD\x92\x65quests",
    ".hidden",
    "_x",
    "x.",
    "x-",
};

const char* const kNpm[] = {
    "axios",           "axios@1.6.0",         "axios@^1.6",  "axios@~1.6.0",
    "axios@>=1 <2",    "axios@1.x",           "axios@*",     "axios@latest",
    "axios@1 || 2",    "axios@1.2.3 - 2.3.4", "@types/node", "@types/node@20.1.0",
    "@types/node@^20", "lodash.merge",        "JSONStream",  "x@1.0.0-rc.1+build.5",
    "left-pad",
};

const char* const kNotNpm[] = {
    "",
    "x@",
    "x@file:../y",
    "x@npm:evil@1",
    "x@git+ssh://git@evil.example/x",
    "x@https://evil.example/x.tgz",
    "x@github:user/repo",
    "x@user/repo",
    "user/repo",
    "github:user/repo",
    "git@evil.example:x",
    "https://evil.example/x.tgz",
    "file:x",
    "./x",
    "../x",
    "/x",
    "~/x",
    "x@./y",
    "x@~/y",
    "x@..",
    "x.tgz",
    "x.tar.gz",
    "x@1.tgz",
    "@scope",
    "@scope/",
    "@/x",
    "@scope/x/y",
    "@../x",
    ".x",
    "_x",
    "--registry=https://evil.example",
    "x --registry=evil",
    "x@1 --global",
    "x y",
    "x@1\ny",
    "x@$(id)",
    "x@1;id",
    "x@1@2",
    "x@workspace:*",
    "x\\y",
    "x@link:y",
};

TEST(PolicyPackage, GoodNames) {
  for (const char* name : kPip) {
    const base::Status status = CheckPackage(Installer::kPip, name);
    EXPECT_TRUE(status.ok()) << name << ": " << status.message();
  }
  for (const char* name : kNpm) {
    const base::Status status = CheckPackage(Installer::kNpm, name);
    EXPECT_TRUE(status.ok()) << name << ": " << status.message();
  }
}

TEST(PolicyPackage, BadNames) {
  for (const char* name : kNotPip) EXPECT_FALSE(CheckPackage(Installer::kPip, name).ok()) << name;
  for (const char* name : kNotNpm) EXPECT_FALSE(CheckPackage(Installer::kNpm, name).ok()) << name;
}

TEST(PolicyPackage, TheReasonSaysWhatIsWrong) {
  const auto says = [](Installer installer, const std::string& name) {
    return CheckPackage(installer, name).message();
  };
  EXPECT_NE(says(Installer::kPip, "-e .").find("options"), std::string::npos);
  EXPECT_NE(says(Installer::kPip, "x @ https://a").find("addresses"), std::string::npos);
  EXPECT_NE(says(Installer::kPip, "../x").find("paths"), std::string::npos);
  EXPECT_NE(says(Installer::kPip, "x; a").find("markers"), std::string::npos);
  EXPECT_NE(says(Installer::kPip, "x.whl").find("archive"), std::string::npos);
  EXPECT_NE(says(Installer::kPip, "x y").find("requests==2.31.0"), std::string::npos);
  EXPECT_NE(says(Installer::kNpm, "x@npm:y").find("aliases"), std::string::npos);
  EXPECT_NE(says(Installer::kNpm, "x y").find("axios@1.6.0"), std::string::npos);
}

TEST(PolicyPackage, Bounds) {
  EXPECT_TRUE(CheckPackage(Installer::kPip, std::string(128, 'a')).ok());
  EXPECT_FALSE(CheckPackage(Installer::kPip, std::string(129, 'a')).ok());
  EXPECT_FALSE(CheckPackage(Installer::kPip, "a==" + std::string(254, '1')).ok());
  EXPECT_TRUE(CheckPackage(Installer::kNpm, std::string(214, 'a')).ok());
  EXPECT_FALSE(CheckPackage(Installer::kNpm, std::string(215, 'a')).ok());
  EXPECT_FALSE(CheckPackage(Installer::kNpm, "a@" + std::string(300, '1')).ok());
  EXPECT_FALSE(CheckPackage(Installer::kPip, std::string("a\0b", 3)).ok());
}

TEST(PolicyPackage, Registries) {
  EXPECT_EQ(*CheckRegistry(""), "pypi");
  for (const char* name : {"pypi", "npm", "internal", "my-registry"}) {
    EXPECT_EQ(*CheckRegistry(name), name);
  }
  for (const char* name : {"PyPI", "https://x", "a.b", "a/b", "-x", "x-", "x y", "x\n"}) {
    EXPECT_FALSE(CheckRegistry(name).ok()) << name;
  }
  EXPECT_FALSE(CheckRegistry(std::string(65, 'a')).ok());
  EXPECT_EQ(InstallerOf("pypi", api::Language::kJavaScript), Installer::kPip);
  EXPECT_EQ(InstallerOf("npm", api::Language::kPython), Installer::kNpm);
  EXPECT_EQ(InstallerOf("own", api::Language::kJavaScript), Installer::kNpm);
  EXPECT_EQ(InstallerOf("own", std::nullopt), Installer::kPip);
}

}  // namespace
}  // namespace sandgate::policy
