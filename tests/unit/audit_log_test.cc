// The log as it is written to real files, and what is left of it by full disks and crashes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "libs/audit/log.h"
#include "tests/unit/audit_test_util.h"

namespace sandgate::audit {
namespace {

using base::Code;

class StillClock final : public base::Clock {
 public:
  base::Time Now() const override { return kNoon + passed; }
  base::MonotonicTime MonotonicNow() const override { return base::MonotonicTime() + passed; }
  std::chrono::seconds passed{0};
};

class AuditLog : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "audit-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = name + "/audit.log";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  LogOptions Options() const { return {path_, -1, {{"pod", "operator-0"}}}; }
  std::string Text() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Put(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
  // The events in the file, in their order; damage is "?".
  std::string Events() const {
    std::istringstream in(Text());
    std::string events, text;
    while (std::getline(in, text)) {
      const auto line = ParseLine(text);
      events += (events.empty() ? "" : " ") + (line.ok() ? line->event : "?");
    }
    return events;
  }

  std::string directory_, path_;
  StillClock clock_;
};

// No file may grow beyond this, as on a disk that is full.
class FileLimit {
 public:
  explicit FileLimit(size_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_ = {};
};

TEST_F(AuditLog, AFileBeginsAChainAndARestartGoesOnWithIt) {
  for (int life = 0; life < 3; ++life) {
    Log log(Options(), clock_);
    ASSERT_TRUE(log.Open().ok());
    EXPECT_TRUE(log.Append({"one", {{"life", life}}, true}).ok());
  }
  EXPECT_EQ(Events(), "chain.start one chain.resume one chain.resume one");
  EXPECT_EQ(Found(Text()), "none");
  struct stat about = {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600u);
}

TEST_F(AuditLog, NothingIsTakenBeforeItIsOpen) {
  Log log(Options(), clock_);
  EXPECT_EQ(log.Append({"one"}).code(), Code::kUnavailable);
  EXPECT_FALSE(log.Health().ok());
  EXPECT_EQ(log.failures(), 1);
}

TEST_F(AuditLog, EveryTornEndIsKeptAndReported) {
  std::string whole;
  {
    Log log(Options(), clock_);
    ASSERT_TRUE(log.Open().ok());
    ASSERT_TRUE(log.Append({"one"}).ok());
    whole = Text();
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string left = whole.substr(0, size);
    Put(left);
    Log log(Options(), clock_);
    ASSERT_TRUE(log.Open().ok());
    ASSERT_TRUE(log.Append({"two"}).ok());
    EXPECT_TRUE(Text().starts_with(left)) << "what is in the file stays";
    EXPECT_EQ(Found(Text()), "none") << size;
    const Verdict verdict = Check(Text());
    // A record that lacks nothing but its newline is one.
    const bool whole_records = left.empty() || left.back() == '\n' || whole[size] == '\n';
    EXPECT_EQ(verdict.torn, whole_records ? 0u : 1u) << size;
  }
}

TEST_F(AuditLog, AFullDiskRefusesAndTheChainGoesOnWhenThereIsRoom) {
  Log log(Options(), clock_);
  ASSERT_TRUE(log.Open().ok());
  const size_t start = Text().size();
  for (size_t room = 0; room < 400; room += 37) {
    const size_t before = Text().size();
    {
      const FileLimit limit(before + room);
      for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(log.Append({"lost", {{"text", std::string(300, 'x')}}}).ok());
        EXPECT_FALSE(log.Health().ok());
        clock_.passed += kMendInterval;
      }
    }
    clock_.passed += kMendInterval;
    EXPECT_TRUE(log.Health().ok()) << "it mends itself";
    EXPECT_TRUE(log.Append({"kept"}).ok());
  }
  EXPECT_GT(Text().size(), start);
  EXPECT_EQ(Found(Text()), "none") << Text();
  EXPECT_EQ(Events().find("lost"), std::string::npos);
  EXPECT_GT(log.failures(), 0);
}

TEST_F(AuditLog, ABrokenDiskIsNotAskedForEachRecord) {
  Log log(Options(), clock_);
  ASSERT_TRUE(log.Open().ok());
  {
    const FileLimit limit(Text().size());
    EXPECT_FALSE(log.Append({"one"}).ok());
  }
  EXPECT_FALSE(log.Append({"two"}).ok()) << "only after kMendInterval";
  clock_.passed += kMendInterval;
  EXPECT_TRUE(log.Append({"three"}).ok());
}

TEST_F(AuditLog, TwoWritersAreOneTooMany) {
  Log one(Options(), clock_), two(Options(), clock_);
  ASSERT_TRUE(one.Open().ok());
  EXPECT_EQ(two.Open().code(), Code::kUnavailable);
  EXPECT_FALSE(two.Append({"mine"}).ok());
}

TEST_F(AuditLog, TakesNoLinkDeviceOrDirectory) {
  const std::string target = directory_ + "/target";
  std::filesystem::create_symlink(target, path_);
  EXPECT_EQ(Log(Options(), clock_).Open().code(), Code::kPermissionDenied);
  EXPECT_FALSE(std::filesystem::exists(target));
  for (const char* path : {"/dev/full", "/dev/null"}) {
    EXPECT_EQ(Log({path, -1, {}}, clock_).Open().code(), Code::kPermissionDenied) << path;
  }
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(Log(Options(), clock_).Open().code(), Code::kPermissionDenied);
  EXPECT_FALSE(Log({directory_, -1, {}}, clock_).Open().ok());
}

TEST_F(AuditLog, DoesNotWriteIntoWhatIsNoAuditLog) {
  Put(std::string(3 * kMaxLineBytes, 'x') + "\n");
  Log log(Options(), clock_);
  EXPECT_EQ(log.Open().code(), Code::kInvalidArgument);
  EXPECT_EQ(Text().size(), 3 * kMaxLineBytes + 1);
}

TEST_F(AuditLog, TheStreamGetsTheSameLines) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  LogOptions options = Options();
  options.stream = ends[1];
  {
    Log log(options, clock_);
    ASSERT_TRUE(log.Open().ok());
    ASSERT_TRUE(log.Append({"one"}).ok());
  }
  std::string text(10'000, '\0');
  text.resize(static_cast<size_t>(::read(ends[0], text.data(), text.size())));
  EXPECT_EQ(text, Text());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(AuditLog, AStreamThatIsGoneCountsOnlyWithoutAFile) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  LogOptions options = Options();
  options.stream = full;
  Log with_file(options, clock_);
  ASSERT_TRUE(with_file.Open().ok());
  EXPECT_TRUE(with_file.Append({"one"}).ok());
  EXPECT_EQ(with_file.stream_failures(), 2);
  options.path.clear();
  Log alone(options, clock_);
  EXPECT_FALSE(alone.Open().ok());
  EXPECT_FALSE(alone.Append({"one"}).ok());
  ::close(full);
}

}  // namespace
}  // namespace sandgate::audit
