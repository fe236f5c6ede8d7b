// File operations as runs of the engine, with real namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

#include "runner/file_answer.h"
#include "runner/run_supervisor.h"

namespace sandgate::runner {
namespace {

using ::testing::HasSubstr;

class FileRun : public ::testing::Test {
 protected:
  void SetUp() override {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, nullptr);
    char name[] = "/var/tmp/sandgate-file-run-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    workspace_ = name;
    auto spawner = Spawner::Create(SANDGATE_RUNNER);
    ASSERT_TRUE(spawner.ok()) << spawner.status().ToString();
    auto made = RunSupervisor::Create({workspace_, 64 << 20}, std::move(spawner).value());
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    engine_ = std::move(made).value();
  }
  void TearDown() override { std::filesystem::remove_all(workspace_); }

  static api::RunRequest Request(api::Operation operation, const std::string& path) {
    api::RunRequest request;
    request.operation = operation;
    request.path = path;
    request.timeout_millis = 60'000;
    request.grace_millis = 500;
    request.memory_bytes = 256 << 20;
    request.output_bytes = 1 << 20;
    return request;
  }
  api::RunState Run(const api::RunRequest& request) {
    auto state = engine_->Run(request);
    EXPECT_TRUE(state.ok()) << state.status().ToString();
    return state.ok() ? std::move(state).value() : api::RunState{};
  }

  std::string workspace_;
  std::unique_ptr<RunSupervisor> engine_;
};

TEST_F(FileRun, WritesReadsAndLists) {
  auto write = Request(api::Operation::kWriteFile, "d/f");
  for (int i = 0; i < 256 * 2048; ++i) write.content += static_cast<char>(i * 7);
  write.mode = 0750;
  const auto wrote = Run(write);
  EXPECT_EQ(wrote.outcome, api::RunOutcome::kExited) << wrote.error_message;
  EXPECT_EQ(wrote.error_code, "") << wrote.error_message;
  EXPECT_TRUE(wrote.out.empty() && wrote.err.empty());
  const auto read = Run(Request(api::Operation::kReadFile, "/workspace/d/f"));
  EXPECT_EQ(read.error_code, "") << read.error_message;
  EXPECT_EQ(read.out, write.content);
  const auto list = Run(Request(api::Operation::kListFiles, "d"));
  ASSERT_EQ(list.files.size(), 1u) << list.error_message;
  EXPECT_EQ(list.files[0].size, 256 * 2048);
  EXPECT_EQ(list.out, "");
}

TEST_F(FileRun, AnErrorIsAResult) {
  const auto state = Run(Request(api::Operation::kReadFile, "none"));
  EXPECT_EQ(state.outcome, api::RunOutcome::kExited);
  EXPECT_EQ(state.error_code, "FileNotFound");
  EXPECT_THAT(state.error_message, HasSubstr("\"none\""));
  EXPECT_EQ(state.out, "");
}

// A file is read whole up to the limit, and a listing is no output.
TEST_F(FileRun, TheOutputLimitIsTheLargestFile) {
  std::ofstream(workspace_ + "/f") << std::string(1000, 'x');
  auto request = Request(api::Operation::kReadFile, "f");
  request.output_bytes = 1000;
  EXPECT_EQ(Run(request).out.size(), 1000u);
  request.output_bytes = 999;
  EXPECT_EQ(Run(request).error_code, "FileTooLarge");
  request = Request(api::Operation::kListFiles, "");
  request.output_bytes = 1;
  EXPECT_EQ(Run(request).files.size(), 1u);
}

TEST_F(FileRun, SeesTheWorkspaceAlone) {
  std::filesystem::create_symlink("/proc/self/environ", workspace_ + "/environ");
  std::filesystem::create_symlink("/", workspace_ + "/root");
  for (const char* path : {"environ", "root/etc/passwd", "/etc/passwd", "../etc/passwd"}) {
    EXPECT_EQ(Run(Request(api::Operation::kReadFile, path)).error_code, "PathOutsideWorkspace")
        << path;
  }
}

// No capability is left that would pass over permissions, whoever runs this test.
TEST_F(FileRun, WhatMayNotBeReadSaysSo) {
  auto write = Request(api::Operation::kWriteFile, "f");
  write.mode = 0;
  EXPECT_EQ(Run(write).error_message, "");
  EXPECT_EQ(Run(Request(api::Operation::kReadFile, "f")).error_code, "PermissionDenied");
  write.append = true;
  EXPECT_EQ(Run(write).error_code, "PermissionDenied");
  write.append = false;
  write.mode = 0600;
  EXPECT_EQ(Run(write).error_message, "");  // a new file in its place
  std::filesystem::create_directory(workspace_ + "/d");
  std::filesystem::permissions(workspace_ + "/d", std::filesystem::perms::none);
  EXPECT_EQ(Run(Request(api::Operation::kListFiles, "d")).error_code, "PermissionDenied");
  write.path = "d/f";
  EXPECT_EQ(Run(write).error_code, "PermissionDenied");
}

// More than a workspace may have (kMaxWorkspaceFiles).
TEST_F(FileRun, AHundredThousandFilesComeInPages) {
  constexpr int kFiles = 100'000;
  for (int i = 0; i < kFiles; ++i) std::ofstream(workspace_ + "/" + std::to_string(1'000'000 + i));
  auto request = Request(api::Operation::kListFiles, "");
  request.limit = api::kMaxListLimit;
  int seen = 0;
  do {
    const auto page = Run(request);
    ASSERT_EQ(page.error_code, "") << page.error_message;
    ASSERT_FALSE(page.files.empty());
    EXPECT_EQ(page.files.front().name, std::to_string(1'000'000 + seen));
    seen += static_cast<int>(page.files.size());
    request.cursor = page.files_cursor;
  } while (!request.cursor.empty());
  EXPECT_EQ(seen, kFiles);
}

// What a run's two streams hold is checked whoever wrote it.
TEST(FileAnswer, WhatIsNoAnswerIsAFailure) {
  api::RunState good;
  good.finished = good.started = true;
  const struct {
    const char* what;
    std::function<void(api::RunState*)> change;
  } kCases[] = {
      {"nothing", [](api::RunState* s) { s->err.clear(); }},
      {"text", [](api::RunState* s) { s->err = "done"; }},
      {"a killed process", [](api::RunState* s) { s->exit_code = 137; }},
      {"a cut file", [](api::RunState* s) { s->out_truncated = true; }},
      {"a cut answer", [](api::RunState* s) { s->err_truncated = true; }},
      {"an unfinished state", [](api::RunState* s) { s->err = R"({"runId":"file"})"; }},
  };
  for (const auto& one : kCases) {
    api::RunState state = good;
    state.out = "content";
    state.err = EncodeFileAnswer(good);
    one.change(&state);
    TakeFileAnswer(&state);
    EXPECT_EQ(state.error_code, "FileOperationFailed") << one.what;
    EXPECT_EQ(state.out, "") << one.what;
  }
  api::RunState state = good;
  state.out = "content";
  state.err = EncodeFileAnswer(good);
  TakeFileAnswer(&state);
  EXPECT_EQ(state.error_code, "");
  EXPECT_EQ(state.out, "content");
}

TEST(FileAnswer, ARunThatWasEndedHasNoStreams) {
  api::RunState state;
  state.outcome = api::RunOutcome::kTimedOut;
  state.exit_code = -1;
  state.out = "half a file";
  state.error_message = "the run did not end within its timeout";
  TakeFileAnswer(&state);
  EXPECT_EQ(state.outcome, api::RunOutcome::kTimedOut);
  EXPECT_EQ(state.exit_code, -1);
  EXPECT_EQ(state.out, "");
  EXPECT_EQ(state.error_code, "");
}

}  // namespace
}  // namespace sandgate::runner
