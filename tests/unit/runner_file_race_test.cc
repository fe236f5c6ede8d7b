// File operations while another thread swaps what lies on their way. In a sandbox nothing of the
// code outlives its run, so this is more than an attacker there has.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libs/base/fd.h"
#include "runner/file_operations.h"

namespace sandgate::runner {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 3000;

class FileRace : public ::testing::Test {
 protected:
  // base/outside is what must stay as it is; workspace/way is a directory and workspace/file a
  // file, and every other moment each is a link to there.
  void SetUp() override {
    char name[] = "/var/tmp/sandgate-race-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    base_ = name;
    fs::create_directories(base_ / "workspace/way");
    fs::create_directories(base_ / "outside");
    std::ofstream(base_ / "outside/f") << "secret";
    std::ofstream(base_ / "workspace/way/f") << "inside";
    fs::create_symlink("../outside", base_ / "workspace/other");
    std::ofstream(base_ / "workspace/file") << "inside";
    fs::create_symlink("../outside/f", base_ / "workspace/link");
    // Not of every kernel (gVisor has none).
    if (!Exchange()) GTEST_SKIP() << "there is no RENAME_EXCHANGE here";
    workspace_ = base::Fd(open((base_ / "workspace").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    swapper_ = std::thread([this] {
      while (!stop_ && Exchange()) ++swaps_;
    });
  }
  void TearDown() override {
    Stop();
    fs::remove_all(base_);
  }

  // Swaps the directory with its link, and the file with its.
  bool Exchange() { return Exchange("way", "other") && Exchange("file", "link"); }
  bool Exchange(const char* one, const char* two) {
    const std::string a = base_ / "workspace" / one, b = base_ / "workspace" / two;
    return syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
  }
  void Stop() {
    stop_ = true;
    if (swapper_.joinable()) swapper_.join();
  }

  api::RunState Do(api::Operation operation, const std::string& path, bool append = false) {
    FileRequest request;
    request.operation = operation;
    request.path = path;
    request.content = "written";
    request.append = append;
    request.max_bytes = 1 << 20;
    return RunFileOperation(workspace_.get(), request);
  }

  std::string Outside() {
    std::string all;
    for (const auto& entry : fs::directory_iterator(base_ / "outside")) {
      std::ifstream file(entry.path());
      all += entry.path().filename().string() + "=" +
             std::string(std::istreambuf_iterator<char>(file), {}) + ";";
    }
    return all;
  }

  fs::path base_;
  base::Fd workspace_;
  std::thread swapper_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> swaps_ = 0;
};

// Each operation does its work inside or refuses; both were seen, so the swap hit the walk.
TEST_F(FileRace, NoOperationEverLeavesTheWorkspace) {
  int done = 0, refused = 0;
  for (int i = 0; i < kRounds || done == 0 || refused == 0; ++i) {
    for (const bool append : {false, true}) {
      const auto write = Do(api::Operation::kWriteFile, "way/made/g", append);
      (write.error_code.empty() ? done : refused) += 1;
    }
    const auto read = Do(api::Operation::kReadFile, "way/f");
    EXPECT_TRUE(read.out == "inside" || !read.error_code.empty()) << read.out;
    const auto list = Do(api::Operation::kListFiles, "way");
    for (const auto& file : list.files) EXPECT_TRUE(file.name == "f" || file.name == "made");
  }
  Stop();
  EXPECT_EQ(Outside(), "f=secret;");
}

TEST_F(FileRace, TheLastNameIsNeverALinkOut) {
  int done = 0, refused = 0;
  for (int i = 0; i < kRounds || done == 0 || refused == 0; ++i) {
    const auto read = Do(api::Operation::kReadFile, "file");
    EXPECT_TRUE(read.out.starts_with("inside") || !read.error_code.empty()) << read.out;
    const auto append = Do(api::Operation::kWriteFile, "file", true);
    (append.error_code.empty() ? done : refused) += 1;
  }
  Stop();
  EXPECT_EQ(Outside(), "f=secret;");
}

}  // namespace
}  // namespace sandgate::runner
