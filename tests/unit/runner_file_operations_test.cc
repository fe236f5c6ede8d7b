// The file operations on a directory of the test's own, without namespaces.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "libs/base/fd.h"
#include "runner/file_operations.h"

namespace sandgate::runner {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class FileOperations : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/var/tmp/sandgate-files-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    base_ = name;
    fs::create_directory(base_ / "workspace");
    workspace_ = base_ / "workspace";
    std::ofstream(base_ / "secret") << "secret";
    fd_ = base::Fd(open(workspace_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  void TearDown() override { fs::remove_all(base_); }

  api::RunState Write(const std::string& path, const std::string& content, bool append = false,
                      std::optional<uint32_t> mode = {}) {
    FileRequest request;
    request.operation = api::Operation::kWriteFile;
    request.path = path;
    request.content = content;
    request.append = append;
    request.mode = mode;
    return RunFileOperation(fd_.get(), request);
  }
  api::RunState Read(const std::string& path, int64_t max_bytes = 1 << 20) {
    FileRequest request;
    request.path = path;
    request.max_bytes = max_bytes;
    return RunFileOperation(fd_.get(), request);
  }
  api::RunState List(const std::string& path, int64_t limit = 1000,
                     const std::string& cursor = "") {
    FileRequest request;
    request.operation = api::Operation::kListFiles;
    request.path = path;
    request.limit = limit;
    request.cursor = cursor;
    return RunFileOperation(fd_.get(), request);
  }
  std::string Names(const std::string& path) {
    std::string names;
    for (const auto& file : List(path).files) names += file.name + " ";
    return names;
  }
  std::string Text(const fs::path& path) {
    std::ifstream file(workspace_ / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  unsigned Mode(const fs::path& path) {
    struct stat info = {};
    EXPECT_EQ(stat((workspace_ / path).c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  // Everything that must not be read or written by way of a path.
  void ExpectSecretKept() {
    std::ifstream file(base_ / "secret");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "secret");
    std::set<std::string> outside;
    for (const auto& entry : fs::directory_iterator(base_)) outside.insert(entry.path().filename());
    EXPECT_EQ(outside, (std::set<std::string>{"secret", "workspace"}));
  }

  fs::path base_, workspace_;
  base::Fd fd_;
};

TEST_F(FileOperations, WhatIsWrittenIsReadByteForByte) {
  std::string bytes;
  for (int i = 0; i < 256 * 300; ++i) bytes += static_cast<char>(i);
  for (const std::string& content : std::vector<std::string>{bytes, "", "\0", "a\r\nb", "\xff"}) {
    ASSERT_EQ(Write("a/b/c.bin", content).error_message, "");
    const auto read = Read("a/b/c.bin");
    EXPECT_EQ(read.error_code, "");
    EXPECT_EQ(read.out, content);
  }
  EXPECT_EQ(Mode("a/b/c.bin"), 0644u);
  EXPECT_EQ(Names("a/b"), "c.bin ");
}

TEST_F(FileOperations, TheModeIsAsAsked) {
  Write("run.sh", "true", false, 0755);
  EXPECT_EQ(Mode("run.sh"), 0755u);
  Write("run.sh", "false");
  EXPECT_EQ(Mode("run.sh"), 0644u);
  Write("run.sh", "!", true, 0500);
  EXPECT_EQ(Mode("run.sh"), 0500u);
  Write("new", "", true);
  EXPECT_EQ(Mode("new"), 0644u);
}

TEST_F(FileOperations, AppendAddsAndMakes) {
  EXPECT_EQ(Write("d/log", "one\n", true).error_message, "");
  EXPECT_EQ(Write("d/log", "two\n", true).error_message, "");
  EXPECT_EQ(Text("d/log"), "one\ntwo\n");
}

// A reader that has the old file open goes on reading the old one.
TEST_F(FileOperations, AReplacedFileIsAnother) {
  Write("f", "old");
  std::ifstream before(workspace_ / "f");
  Write("f", "new");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(before), {}), "old");
  EXPECT_EQ(Text("f"), "new");
}

TEST_F(FileOperations, SaysWhatIsWrong) {
  fs::create_directories(workspace_ / "dir/sub");
  std::ofstream(workspace_ / "file") << "x";
  ASSERT_EQ(mkfifo((workspace_ / "fifo").c_str(), 0666), 0);
  const base::Fd socket_fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  (workspace_ / "sock").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const struct {
    const char *path, *read, *write, *append, *list;
  } kCases[] = {
      {"none", "FileNotFound", "", "", "FileNotFound"},
      {"none/deep", "FileNotFound", "", "", "FileNotFound"},
      {"dir", "IsADirectory", "IsADirectory", "IsADirectory", ""},
      {"dir/", "IsADirectory", "IsADirectory", "IsADirectory", ""},
      {".", "IsADirectory", "IsADirectory", "IsADirectory", ""},
      {"/workspace", "IsADirectory", "IsADirectory", "IsADirectory", ""},
      {"file/", "NotADirectory", "IsADirectory", "IsADirectory", "NotADirectory"},
      {"file/x", "NotADirectory", "NotADirectory", "NotADirectory", "NotADirectory"},
      {"fifo", "NotARegularFile", "NotARegularFile", "NotARegularFile", "NotADirectory"},
      {"sock", "NotARegularFile", "NotARegularFile", "NotARegularFile", "NotADirectory"},
      {"../secret", "PathOutsideWorkspace", "PathOutsideWorkspace", "PathOutsideWorkspace",
       "PathOutsideWorkspace"},
      {"/etc/passwd", "PathOutsideWorkspace", "PathOutsideWorkspace", "PathOutsideWorkspace",
       "PathOutsideWorkspace"},
  };
  for (const auto& one : kCases) {
    EXPECT_EQ(Read(one.path).error_code, one.read) << "read " << one.path;
    EXPECT_EQ(List(one.path).error_code, one.list) << "list " << one.path;
    EXPECT_EQ(Write(one.path, "x").error_code, one.write) << "write " << one.path;
    if (*one.write == '\0') fs::remove_all(workspace_ / "none");
    EXPECT_EQ(Write(one.path, "x", true).error_code, one.append) << "append " << one.path;
    if (*one.append == '\0') fs::remove_all(workspace_ / "none");
  }
  EXPECT_THAT(Read("no\nne").error_message, HasSubstr("\"no\\x0ane\" does not exist"));
  ExpectSecretKept();
}

TEST_F(FileOperations, ALongNameIsRefusedAndTheLongestIsNot) {
  const std::string longest(255, 'n');
  EXPECT_EQ(Write(longest, "x").error_message, "");
  EXPECT_EQ(Read(longest).out, "x");
  EXPECT_EQ(Write(longest + "n", "x").error_code, "InvalidPath");
  EXPECT_EQ(Write(std::string("a\0b", 3), "x").error_code, "InvalidPath");
  std::string deep;
  for (int i = 0; i < 255; ++i) deep += "d/";
  EXPECT_EQ(Write(deep + "f", "x").error_message, "");
  EXPECT_EQ(Read(deep + "f").out, "x");
  EXPECT_EQ(Write(deep + "d/d/f", "x").error_code, "InvalidPath");
}

TEST_F(FileOperations, AFileAboveTheLimitIsNeverCut) {
  Write("f", std::string(1000, 'x'));
  EXPECT_EQ(Read("f", 1000).out.size(), 1000u);
  const auto state = Read("f", 999);
  EXPECT_EQ(state.error_code, "FileTooLarge");
  EXPECT_EQ(state.out, "");
  EXPECT_THAT(state.error_message, HasSubstr("1000 bytes; at most 999"));
  fs::resize_file(workspace_ / "f", uint64_t{1} << 40);  // sparse
  EXPECT_EQ(Read("f").error_code, "FileTooLarge");
}

TEST_F(FileOperations, LinksInsideAreFollowedAndNoneLeadsOut) {
  Write("real/f", "inside");
  const struct {
    const char *name, *target, *path, *error;
  } kLinks[] = {
      {"a", "real", "a/f", ""},
      {"b", "/workspace/real", "b/f", ""},
      {"c", "real/f", "c", ""},
      {"d", "./real/../real/./f", "d", ""},
      {"real/up", "../real/f", "real/up", ""},
      {"e", "a", "e/f", ""},
      {"slash", "real/", "slash/f", ""},
      {"fileslash", "real/f/", "fileslash", "NotADirectory"},
      {"out1", "../secret", "out1", "PathOutsideWorkspace"},
      {"out2", "..", "out2/secret", "PathOutsideWorkspace"},
      {"out3", "/etc", "out3/passwd", "PathOutsideWorkspace"},
      {"out4", "/proc/self/environ", "out4", "PathOutsideWorkspace"},
      {"out5", "/dev/zero", "out5", "PathOutsideWorkspace"},
      {"out6", "real/../../secret", "out6", "PathOutsideWorkspace"},
      {"out7", "/workspace/../secret", "out7", "PathOutsideWorkspace"},
      {"out8", "/workspace/real/../../secret", "out8", "PathOutsideWorkspace"},
      {"out9", "/workspacex/f", "out9", "PathOutsideWorkspace"},
      {"out10", "/", "out10/etc/passwd", "PathOutsideWorkspace"},
      {"out11", "out2", "out11/secret", "PathOutsideWorkspace"},
      {"loop1", "loop2", "loop1", "InvalidPath"},
      {"loop2", "loop1", "loop2/f", "InvalidPath"},
      {"self", "self/self", "self", "InvalidPath"},
      {"dangling", "nowhere", "dangling", "FileNotFound"},
  };
  for (const auto& link : kLinks) fs::create_symlink(link.target, workspace_ / link.name);
  for (const auto& link : kLinks) {
    const auto state = Read(link.path);
    EXPECT_EQ(state.error_code, link.error) << link.path << ": " << state.error_message;
    EXPECT_EQ(state.out, *link.error == '\0' ? "inside" : "") << link.path;
    if (std::string(link.error) != "PathOutsideWorkspace") continue;
    EXPECT_NE(List(std::string(link.name) + "/x").error_code, "") << link.name;
    EXPECT_EQ(Write(std::string(link.name) + "/x", "x").error_code, link.error) << link.name;
    EXPECT_EQ(Write(std::string(link.name) + "/x", "x", true).error_code, link.error) << link.name;
  }
  EXPECT_EQ(Names("a"), "f up ");
  EXPECT_EQ(Write("a/g", "through").error_message, "");
  EXPECT_EQ(Text("real/g"), "through");
  ExpectSecretKept();
}

TEST_F(FileOperations, AWriteReplacesTheLinkAndAnAppendRefusesIt) {
  Write("real", "inside");
  for (const char* target : {"real", "../secret", "/etc/passwd", "nowhere"}) {
    fs::remove(workspace_ / "link");
    fs::create_symlink(target, workspace_ / "link");
    EXPECT_EQ(Write("link", "x", true).error_code, "NotARegularFile") << target;
    EXPECT_TRUE(fs::is_symlink(workspace_ / "link"));
    EXPECT_EQ(Write("link", "mine").error_message, "") << target;
    EXPECT_FALSE(fs::is_symlink(workspace_ / "link")) << target;
    EXPECT_EQ(Text("link"), "mine");
  }
  EXPECT_EQ(Text("real"), "inside");
  ExpectSecretKept();
}

TEST_F(FileOperations, AListingIsSortedTypedAndPaged) {
  for (const char* name : {"b", "a", "B", "a b", ".hidden"}) Write(name, "xy");
  fs::create_directory(workspace_ / "dir");
  fs::create_symlink("/nowhere", workspace_ / "link");
  ASSERT_EQ(mkfifo((workspace_ / "pipe").c_str(), 0666), 0);
  Write("bad\xff", "x");
  std::string all;
  for (const auto& file : List("").files) all += file.Bytes() + ":" + FileTypeName(file.type) + " ";
  EXPECT_EQ(all,
            ".hidden:file B:file a:file a b:file b:file bad\xff:file dir:directory link:symlink "
            "pipe:other ");
  EXPECT_EQ(List("").files[0].size, 2);
  std::string paged, cursor;
  int pages = 0;
  do {
    const auto page = List(".", 2, cursor);
    EXPECT_LE(page.files.size(), 2u);
    for (const auto& file : page.files) {
      paged += file.Bytes() + ":" + FileTypeName(file.type) + " ";
    }
    EXPECT_EQ(page.files_truncated, !page.files_cursor.empty());
    cursor = page.files_cursor;
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(paged, all);
  EXPECT_EQ(pages, 5);
  EXPECT_EQ(List(".", 2, "??").error_code, "InvalidCursor");
  EXPECT_TRUE(List("dir").files.empty());
  EXPECT_FALSE(List("dir").files_truncated);
}

TEST_F(FileOperations, LongNamesMakeAPageShorter) {
  fs::create_directory(workspace_ / "d");
  constexpr int kFiles = 1000;
  for (int i = 0; i < kFiles; ++i) {
    std::ofstream(workspace_ / "d" / (std::to_string(1000 + i) + std::string(251, '<')));
  }
  size_t seen = 0;
  std::string cursor;
  do {
    const auto page = List("d", 4096, cursor);
    size_t cost = 0;
    for (const auto& file : page.files) cost += api::CostInJson(file);
    EXPECT_LE(cost, api::kMaxListBytes);
    ASSERT_FALSE(page.files.empty());
    seen += page.files.size();
    cursor = page.files_cursor;
  } while (!cursor.empty());
  EXPECT_EQ(seen, static_cast<size_t>(kFiles));
}

// With room for the directory but not for the content: nothing of the draft stays.
TEST_F(FileOperations, AWriteThatDoesNotFitLeavesNothing) {
  Write("f", "old");
  const rlimit small = {10'000, RLIM_INFINITY};
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto write = Write("f", std::string(20'000, 'x'));
  const auto append = Write("f", std::string(20'000, 'x'), true);
  const auto made = Write("g", std::string(20'000, 'x'), true);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(write.error_code, "FileTooLarge");
  EXPECT_EQ(append.error_code, "FileTooLarge");
  EXPECT_EQ(made.error_code, "FileTooLarge");
  EXPECT_EQ(Text("f"), "old");
  EXPECT_EQ(Names(""), "f ");
}

}  // namespace
}  // namespace sandgate::runner
