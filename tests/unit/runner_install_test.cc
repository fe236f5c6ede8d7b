// Installs as runs of the engine: real namespaces, the machine's own pip, and an index of packages
// that the test makes (tests/support/package_index.py). What is beyond the run's namespaces, the
// way to a registry, is tested end to end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runner/file_answer.h"
#include "runner/run_supervisor.h"

namespace sandgate::runner {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::string Command(const std::string& command) {
  return command + " >/dev/null 2>&1";
}

class InstallRun : public ::testing::Test {
 protected:
  void SetUp() override {
    // As the run finds it: among the image's programs.
    if (std::system(Command("env -i PATH=" + std::string(kPath) + " python3 -m pip").c_str()) !=
        0) {
      GTEST_SKIP() << "this machine's own python3 has no pip";
    }
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, nullptr);
    char name[] = "/var/tmp/sandgate-install-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    workspace_ = root_ + "/workspace";
    fs::create_directory(workspace_);
    ASSERT_EQ(std::system(("python3 " SANDGATE_SOURCE_DIR "/tests/support/package_index.py " +
                           root_ + "/index")
                              .c_str()),
              0);
    auto spawner = Spawner::Create(SANDGATE_RUNNER);
    ASSERT_TRUE(spawner.ok()) << spawner.status().ToString();
    auto made = RunSupervisor::Create({workspace_, 256 << 20}, std::move(spawner).value());
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    engine_ = std::move(made).value();
  }
  void TearDown() override {
    if (!root_.empty()) fs::remove_all(root_);
  }

  api::RunState RunAsItIs(const api::RunRequest& request) {
    auto state = engine_->Run(request);
    EXPECT_TRUE(state.ok()) << state.status().ToString();
    return state.ok() ? std::move(state).value() : api::RunState{};
  }
  api::RunState Run(api::RunRequest request) { return RunAsItIs(Limited(std::move(request))); }
  static api::RunRequest Limited(api::RunRequest request) {
    request.timeout_millis = 120'000;
    request.grace_millis = 500;
    request.memory_bytes = 512 << 20;
    request.output_bytes = 1 << 20;
    return request;
  }
  api::RunState Code(api::Language language, const std::string& code) {
    api::RunRequest request;
    request.language = language;
    request.code = code;
    return Run(request);
  }
  api::RunState Python(const std::string& code) { return Code(api::Language::kPython, code); }
  api::RunState Shell(const std::string& code) { return Code(api::Language::kShell, code); }
  api::RunRequest InstallRequest(const std::string& package,
                                 api::Installer installer = api::Installer::kPip) {
    api::RunRequest request;
    request.operation = api::Operation::kInstallPackage;
    request.install = {installer, package, "file://" + root_ + "/index/simple/"};
    return Limited(std::move(request));
  }
  api::RunState Install(const std::string& package,
                        api::Installer installer = api::Installer::kPip) {
    return RunAsItIs(InstallRequest(package, installer));
  }
  api::RunState File(api::Operation operation, const std::string& path) {
    api::RunRequest request;
    request.operation = operation;
    request.path = path;
    return Run(request);
  }

  static constexpr char kPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::string root_, workspace_;
  std::unique_ptr<RunSupervisor> engine_;
};

std::string Said(const api::RunState& state) {
  return state.out + state.err + state.error_message;
}

TEST_F(InstallRun, WhatWasInstalledIsToldAndCanBeImported) {
  const auto state = Install("greeting==1.0");
  ASSERT_EQ(state.exit_code, 0) << Said(state);
  EXPECT_EQ(state.error_code, "") << state.error_message;
  EXPECT_THAT(state.out, HasSubstr("Successfully installed greeting-1.0 helper-lib-1.0"));
  EXPECT_EQ(state.err, "");
  ASSERT_EQ(state.packages.size(), 2u);
  EXPECT_EQ(state.packages[0].name + " " + state.packages[0].version, "greeting 1.0");
  EXPECT_EQ(state.packages[1].name + " " + state.packages[1].version, "helper-lib 1.0");
  for (const auto& package : state.packages) {
    EXPECT_THAT(package.hash, StartsWith("sha256:"));
    EXPECT_EQ(package.hash.size(), 7u + 64);
  }
  const auto used = Python(
      "import greeting, importlib.metadata\n"
      "greeting.greet()\n"
      "print(importlib.metadata.version('greeting'), greeting.__file__)\n");
  EXPECT_THAT(used.out, StartsWith("greeting 1.0 helper\n1.0 /workspace/.sandgate/python/"))
      << Said(used);
  // Its command, and the interpreter that other interpreters start.
  EXPECT_EQ(Shell("greet && python3 -c 'import greeting'").out, "greeting 1.0 helper\n");
}

TEST_F(InstallRun, AnotherVersionReplacesTheFirst) {
  ASSERT_EQ(Install("greeting==1.0").exit_code, 0);
  const auto state = Install("greeting==2.0");
  ASSERT_EQ(state.exit_code, 0) << Said(state);
  // What is there and fits is not installed again.
  EXPECT_THAT(state.packages, ElementsAre(Field(&api::InstalledPackage::version, "2.0")));
  const auto used = Python(
      "import importlib.metadata, importlib.util, greeting\n"
      "greeting.greet()\n"
      "print(importlib.metadata.version('greeting'), importlib.util.find_spec('greeting_old'))\n");
  EXPECT_EQ(used.out, "greeting 2.0 helper\n2.0 None\n") << Said(used);
  EXPECT_EQ(Shell("greet").out, "greeting 2.0 helper\n");
  const auto again = Install("greeting");
  EXPECT_EQ(again.exit_code, 0) << Said(again);
  EXPECT_THAT(again.packages, IsEmpty());
}

TEST_F(InstallRun, AFailureSaysWhyAndLeavesWhatThereWas) {
  ASSERT_EQ(Install("greeting==1.0").exit_code, 0);
  const auto state = Install("nowhere==1.0");
  EXPECT_EQ(state.outcome, api::RunOutcome::kExited);
  EXPECT_EQ(state.exit_code, 1);
  EXPECT_THAT(state.err, HasSubstr("No matching distribution found for nowhere==1.0"));
  EXPECT_THAT(state.packages, IsEmpty());
  EXPECT_EQ(Shell("greet").out, "greeting 1.0 helper\n");
}

TEST_F(InstallRun, AnImageWithoutTheInstallerSaysSo) {
  if (std::system(Command("env -i PATH=" + std::string(kPath) + " npm --version").c_str()) == 0) {
    GTEST_SKIP() << "this machine has an npm";
  }
  const auto state = Install("axios", api::Installer::kNpm);
  EXPECT_EQ(state.outcome, api::RunOutcome::kRefused);
  EXPECT_THAT(state.error_message, HasSubstr("cannot find npm in the image"));
}

// Code may read what is installed, and change nothing of it, by no way that it has.
TEST_F(InstallRun, CodeCannotTouchWhatIsInstalled) {
  ASSERT_EQ(Install("greeting==1.0").exit_code, 0);
  const auto state = Shell(R"(cd /workspace
p=.sandgate/python/packages
for try in "echo x >>$p/greeting.py" "touch $p/evil.py" "rm -rf .sandgate" "rm $p/greeting.py" \
    "mv .sandgate elsewhere" "ln -sfn /tmp .sandgate" "chmod -R 777 .sandgate" "mkdir $p/d" \
    "mv $p/greeting.py /workspace/" "ln $p/greeting.py hard" "mount -o remount,rw,bind $PWD/.sandgate" \
    "umount .sandgate" "truncate -s 0 $p/greeting.py" "touch -d 2001-01-01 $p/greeting.py" \
    "setfattr -n user.a -v b $p" "rmdir .sandgate" "mv -T other .sandgate"; do
  mkdir -p other
  (eval "$try") >/dev/null 2>&1 && echo "held not: $try"
done
python3 - <<'PY'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0, 1, 2):
    if libc.renameat2(-100, b"/workspace/other", -100, b"/workspace/.sandgate", flags) == 0:
        print("held not: renameat2", flags)
fd = os.open("/workspace/.sandgate", os.O_RDONLY)
for attempt in (lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd),
                lambda: os.open("/proc/self/fd/%d/x" % fd, os.O_CREAT | os.O_WRONLY),
                lambda: os.rename("/workspace/other", "../.sandgate/other", dst_dir_fd=fd)):
    try:
        attempt()
        print("held not: by descriptor")
    except OSError:
        pass
PY
greet)");
  EXPECT_EQ(state.out, "greeting 1.0 helper\n") << Said(state);
}

// Nor through the file operations.
TEST_F(InstallRun, FileOperationsCannotTouchWhatIsInstalled) {
  ASSERT_EQ(Install("greeting==1.0").exit_code, 0);
  EXPECT_EQ(Python("import os\nos.symlink('.sandgate', 'way')\n").exit_code, 0);
  for (const char* path : {".sandgate/x", "/workspace/.sandgate/python/packages/greeting.py",
                           "way/python/packages/greeting.py", "way/x/y"}) {
    EXPECT_EQ(File(api::Operation::kWriteFile, path).error_code, "PermissionDenied") << path;
  }
  EXPECT_THAT(File(api::Operation::kReadFile, "way/python/packages/greeting.py").out,
              HasSubstr("VERSION"));
  EXPECT_THAT(File(api::Operation::kListFiles, "").files,
              Contains(Field(&api::FileEntry::name, ".sandgate")));
}

// Everything that is known to lead pip or Python elsewhere, where earlier code can put it.
constexpr char kPlant[] = R"(cd /workspace
evil='open("/workspace/ran", "a").write(__file__); open("/workspace/.sandgate/ran", "a")'
mkdir -p .local/bin .local/lib/python3.11/site-packages .config/pip .pip pip bin
for f in sitecustomize.py usercustomize.py pip.py site.py ssl.py json.py pip/__init__.py \
    pip/__main__.py setuptools.py runpy.py .local/lib/python3.11/site-packages/usercustomize.py \
    .local/lib/python3.11/site-packages/sitecustomize.py; do echo "$evil" >$f; done
echo "import os; $evil" >.local/lib/python3.11/site-packages/evil.pth
for f in pip.conf .pip/pip.conf .config/pip/pip.conf pip.ini setup.cfg .pydistutils.cfg; do
  printf '[global]\nindex-url = file:///workspace/index/\ntarget = /workspace\nuser = no\n' >$f
done
echo 'machine localhost login a password b' >.netrc
for f in python3 pip git keyring; do printf '#!/bin/sh\ntouch /workspace/ran\n' >.local/bin/$f; done
cp .local/bin/* bin/ && chmod -R +x bin .local/bin
)";

TEST_F(InstallRun, WhatEarlierCodeLeftIsNeitherReadNorRun) {
  ASSERT_EQ(Shell(kPlant).exit_code, 0);
  ASSERT_EQ(Shell("echo precious >/workspace/greeting.py; mkdir /workspace/index").exit_code, 0);
  const auto state = Install("greeting==1.0");
  ASSERT_EQ(state.exit_code, 0) << Said(state);
  EXPECT_EQ(state.packages.size(), 2u);
  EXPECT_FALSE(fs::exists(workspace_ + "/ran"));
  EXPECT_FALSE(fs::exists(workspace_ + "/.sandgate/ran"));
  EXPECT_EQ(Shell("cat /workspace/greeting.py").out, "precious\n");
}

// A package's own program runs, and finds nothing of the agent's.
TEST_F(InstallRun, WhatAnInstallRunsSeesNothingOfTheWorkspace) {
  ASSERT_EQ(Shell(kPlant).exit_code, 0);
  ASSERT_EQ(Shell("echo secret >/workspace/data.csv").exit_code, 0);
  const auto state = Install("spy");
  ASSERT_EQ(state.exit_code, 0) << Said(state);
  EXPECT_FALSE(fs::exists(workspace_ + "/ran"));
  EXPECT_FALSE(fs::exists(workspace_ + "/planted"));
  // Out of the way of what was planted for Python itself.
  const auto seen = Shell("rm -rf /workspace/*.py; python3 -c 'import spy; print(spy.SEEN)'");
  const auto json = api::ParseJson(seen.out);
  ASSERT_TRUE(json.ok()) << Said(seen);
  EXPECT_EQ((*json)["workspace"], api::Json::array({".sandgate"}));
  EXPECT_EQ((*json)["home"], "/tmp");
  EXPECT_NE((*json)["wrote"], true);
  EXPECT_THAT((*json)["variables"].dump(), Not(HasSubstr("PYTHONPATH")));
  EXPECT_THAT((*json)["modules"].dump(), Not(HasSubstr("/workspace")));
}

// Whatever stands there already is the code's own, and nothing is ever installed into it.
TEST_F(InstallRun, AnOccupiedPlaceIsRefused) {
  for (const char* occupy :
       {"mkdir /workspace/.sandgate", "echo x >/workspace/.sandgate",
        "ln -s /tmp /workspace/.sandgate", "ln -s nowhere /workspace/.sandgate"}) {
    ASSERT_EQ(Shell(std::string("rm -rf /workspace/.sandgate; ") + occupy).exit_code, 0);
    const auto state = Install("greeting");
    EXPECT_EQ(state.outcome, api::RunOutcome::kRefused) << occupy;
    EXPECT_THAT(state.error_message, HasSubstr("/workspace/.sandgate is in the way")) << occupy;
  }
  ASSERT_EQ(Shell("rm -rf /workspace/.sandgate").exit_code, 0);
  EXPECT_EQ(Install("greeting").exit_code, 0);
}

// A package's own program may have written what is read afterwards.
TEST_F(InstallRun, AForgedReportIsNoRecord) {
  const struct {
    const char* package;
    const char* code;
    const char* says;
  } kRows[] = {
      {"forger-gone", "FileNotFound", "does not exist"},
      {"forger-text", "FileOperationFailed", "pip's report is no JSON"},
      {"forger-names", "FileOperationFailed", "names a package that cannot be"},
      {"forger-link", "PathOutsideWorkspace", "leads out of /workspace"},
      {"forger-fifo", "NotARegularFile", "FIFO"},
      {"forger-huge", "FileTooLarge", "67108864 bytes"},
  };
  for (const auto& row : kRows) {
    const auto state = Install(row.package);
    EXPECT_EQ(state.outcome, api::RunOutcome::kExited) << row.package << state.error_message;
    EXPECT_EQ(state.exit_code, 0) << row.package << Said(state);
    EXPECT_EQ(state.error_code, row.code) << row.package;
    EXPECT_THAT(state.error_message, HasSubstr(row.says)) << row.package;
    EXPECT_THAT(state.packages, IsEmpty()) << row.package;
  }
  EXPECT_EQ(Install("greeting==1.0").packages.size(), 2u);
}

TEST_F(InstallRun, LongListsAreCutAndSaySo) {
  const auto state = Install("forger-many");
  ASSERT_EQ(state.exit_code, 0) << Said(state);
  EXPECT_EQ(state.packages.size(), api::kMaxInstalledPackages);
  EXPECT_THAT(state.err, HasSubstr("88 more packages were installed than are told here."));
}

// The limits of a run are those of an install; its programs die with it.
TEST_F(InstallRun, ARunawayIsEnded) {
  auto request = InstallRequest("runaway");
  request.timeout_millis = 15'000;
  const auto state = RunAsItIs(request);
  EXPECT_EQ(state.outcome, api::RunOutcome::kTimedOut) << Said(state);
  EXPECT_EQ(state.exit_code, -1);
  EXPECT_THAT(state.packages, IsEmpty());
  EXPECT_EQ(Shell("ps aux 2>/dev/null | grep -c '[r]unaway-child'").out, "0\n");
}

TEST_F(InstallRun, BeforeTheFirstInstallNothingIsThere) {
  const auto state = Shell("env; ls -a /workspace");
  EXPECT_EQ(state.exit_code, 0) << Said(state);
  EXPECT_THAT(state.out, Not(HasSubstr("sandgate")));
}

}  // namespace
}  // namespace sandgate::runner
