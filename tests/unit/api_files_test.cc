// Paths, entries, cursors and the protocol of file operations.
#include <gtest/gtest.h>

#include "libs/api/runner_protocol.h"
#include "libs/api/spec_hash.h"
#include "libs/api/workspace_path.h"

namespace sandgate::api {
namespace {

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(WorkspacePath, ReadsWhatLiesInTheWorkspace) {
  const struct {
    std::string path, components;
    bool must_be_directory;
  } kCases[] = {
      {"a", "a", false},
      {"a/b.txt", "a|b.txt", false},
      {"./a//b", "a|b", false},
      {"a/", "a", true},
      {"a/.", "a", true},
      {"a//", "a", true},
      {".", "", true},
      {"./", "", true},
      {"/workspace", "", false},
      {"/workspace/", "", true},
      {"/workspace/a", "a", false},
      {"//workspace//a", "a", false},
      {"/./workspace/a", "a", false},
      {"workspace/a", "workspace|a", false},
      {"...", "...", false},
      {"..a/b..", "..a|b..", false},
      {" ", " ", false},
      {"a\nb", "a\nb", false},
      {"a\\..\\b", "a\\..\\b", false},
      {"%2e%2e/a", "%2e%2e|a", false},
      {std::string(255, 'n'), std::string(255, 'n'), false},
  };
  for (const auto& one : kCases) {
    WorkspacePath parsed;
    const auto problem = ParseWorkspacePath(one.path, &parsed);
    ASSERT_FALSE(problem) << one.path << ": " << problem->message;
    std::string components;
    for (const auto& name : parsed.components) components += (components.empty() ? "" : "|") + name;
    EXPECT_EQ(components, one.components) << one.path;
    EXPECT_EQ(parsed.must_be_directory, one.must_be_directory) << one.path;
  }
}

TEST(WorkspacePath, RefusesWhatDoesNot) {
  const struct {
    std::string path;
    FileErrorCode code;
  } kCases[] = {
      {"", FileErrorCode::kInvalidPath},
      {"..", FileErrorCode::kPathOutsideWorkspace},
      {"../a", FileErrorCode::kPathOutsideWorkspace},
      {"a/../b", FileErrorCode::kPathOutsideWorkspace},
      {"a/..", FileErrorCode::kPathOutsideWorkspace},
      {"./../a", FileErrorCode::kPathOutsideWorkspace},
      {"/workspace/../etc/passwd", FileErrorCode::kPathOutsideWorkspace},
      {"/", FileErrorCode::kPathOutsideWorkspace},
      {"//", FileErrorCode::kPathOutsideWorkspace},
      {"/etc/passwd", FileErrorCode::kPathOutsideWorkspace},
      {"/workspacex/a", FileErrorCode::kPathOutsideWorkspace},
      {"/workspace2", FileErrorCode::kPathOutsideWorkspace},
      {"/Workspace/a", FileErrorCode::kPathOutsideWorkspace},
      {"/proc/self/environ", FileErrorCode::kPathOutsideWorkspace},
      {"/dev/zero", FileErrorCode::kPathOutsideWorkspace},
      {std::string("a\0b", 3), FileErrorCode::kInvalidPath},
      {std::string(256, 'n'), FileErrorCode::kInvalidPath},
      {"a/" + std::string(300, 'n'), FileErrorCode::kInvalidPath},
      {Repeat("a/", 2048) + "b", FileErrorCode::kInvalidPath},
      {Repeat("a/", 257), FileErrorCode::kInvalidPath},
  };
  for (const auto& one : kCases) {
    WorkspacePath parsed;
    const auto problem = ParseWorkspacePath(one.path, &parsed);
    ASSERT_TRUE(problem) << one.path;
    EXPECT_EQ(problem->code, one.code) << one.path << ": " << problem->message;
    EXPECT_LT(problem->message.size(), 600u);
  }
}

TEST(WorkspacePath, AQuotedPathIsHarmlessToRead) {
  const struct {
    std::string path, quoted;
  } kCases[] = {
      {"a/b", "\"a/b\""},
      {"a\nb\x1b[2J", "\"a\\x0ab\\x1b[2J\""},
      {"say \"x\\y\"", "\"say \\\"x\\\\y\\\"\""},
      {"gr\xc3\xbc\xc3\x9f.txt", "\"gr\xc3\xbc\xc3\x9f.txt\""},
      {"\xf0\x9f\x90\x8d", "\"\xf0\x9f\x90\x8d\""},
      {"\xff\xfe", "\"\\xff\\xfe\""},
      {"\xc3", "\"\\xc3\""},
      {"a\xe2\x80\xaegpj.exe", "\"a\\xe2\\x80\\xaegpj.exe\""},
      {std::string("\0", 1), "\"\\x00\""},
  };
  for (const auto& one : kCases) EXPECT_EQ(QuotePath(one.path), one.quoted);
  EXPECT_LT(QuotePath(std::string(4096, 'x')).size(), 400u);
}

TEST(FileEntry, NamesAreExactHoweverTheyAreWritten) {
  const FileEntry text = MakeFileEntry("gr\xc3\xbc\xc3\x9f", FileType::kFile, 7, 1'700'000'000);
  EXPECT_EQ(text.name_base64, "");
  const FileEntry bytes = MakeFileEntry("a\xff", FileType::kDirectory, 7, 1);
  EXPECT_EQ(bytes.name, "a\xef\xbf\xbd");
  EXPECT_EQ(bytes.Bytes(), "a\xff");
  EXPECT_EQ(bytes.size, 0);
  EXPECT_EQ(FilesFromJson(ToJson(std::vector{text, bytes})), (std::vector{text, bytes}));
  EXPECT_TRUE(FilesFromJson(Json("x")).empty());
  EXPECT_TRUE(FilesFromJson(Json::array({1, nullptr, Json::object()})).empty());
}

// What it is said to cost, no server's JSON of it exceeds.
TEST(FileEntry, CostsNoMoreThanItIsSaidTo) {
  for (const std::string& name : std::vector<std::string>{
           "a", std::string(255, 'x'), std::string(255, '<'), std::string(255, '\x01'),
           std::string(255, '\xff'), std::string(127, '"') + "\\", "\xe2\x80\xa8"}) {
    const FileEntry entry = MakeFileEntry(name, FileType::kFile, INT64_MAX, INT64_MAX);
    std::string text = DumpJson(ToJson(std::vector{entry}));
    size_t size = text.size();
    for (const char c : text) size += (c == '<' || c == '>' || c == '&') ? 5 : 0;
    EXPECT_LE(size, CostInJson(entry)) << name;
  }
}

TEST(FileEntry, TimesThatCodeMadeUpAreBounded) {
  const auto time = [](int64_t seconds) {
    return base::FormatTime(MakeFileEntry("a", FileType::kFile, 0, seconds).mtime);
  };
  EXPECT_EQ(time(INT64_MIN), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time(-1), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time(INT64_MAX), "2261-01-01T00:00:00Z");
  EXPECT_TRUE(base::ParseTime(time(INT64_MAX)));
}

TEST(ListCursor, ComesBackAsItWasGivenAndNothingElseIsOne) {
  for (const std::string& name : std::vector<std::string>{"a", "ab", "abc", "\xff\xfe\xfb",
                                                          std::string(255, '\xff'), "a b"}) {
    const std::string cursor = ListCursor(name);
    EXPECT_EQ(cursor.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
              std::string::npos);
    EXPECT_EQ(ReadListCursor(cursor), name);
  }
  for (const char* bad : {"", "=", "Y", "YQ==", "YQ=", "+/", "YR", "Y Q", "!!"}) {
    EXPECT_FALSE(ReadListCursor(bad)) << bad;
  }
  EXPECT_FALSE(ReadListCursor(ListCursor(std::string(256, 'x'))));
}

TEST(FileError, EveryCodeHasItsName) {
  for (int i = 0; i <= static_cast<int>(FileErrorCode::kFileOperationFailed); ++i) {
    const auto code = static_cast<FileErrorCode>(i);
    EXPECT_EQ(ParseFileError(FileErrorName(code)), code);
  }
  EXPECT_FALSE(ParseFileError(""));
  EXPECT_FALSE(ParseFileError("Fine"));
}

TEST(FileMode, IsThreeOctalDigits) {
  EXPECT_EQ(ParseFileMode("644"), 0644u);
  EXPECT_EQ(ParseFileMode("0755"), 0755u);
  EXPECT_EQ(ParseFileMode("000"), 0u);
  for (const char* bad : {"", "7", "77", "888", "4755", "00644", "0o755", "-644", "64a", "rwx"}) {
    EXPECT_FALSE(ParseFileMode(bad)) << bad;
  }
}

Json SpecJson(const char* operation, const char* member, Json value) {
  return {{"metadata", {{"namespace", "agents"}, {"name", "e1"}, {"uid", "u1"}}},
          {"spec", {{"sandboxName", "s1"}, {"operation", operation}, {member, std::move(value)}}}};
}

TEST(FileSpec, IsReadByteForByte) {
  const auto write = Execution::FromJson(
      SpecJson("WriteFile", "writeFile",
               {{"path", "d/f"}, {"contentBase64", "AP8="}, {"append", true}, {"mode", "0755"}}));
  ASSERT_TRUE(write.ok());
  EXPECT_EQ(write->spec.path, "d/f");
  EXPECT_EQ(write->spec.content, std::string("\0\xff", 2));
  EXPECT_TRUE(write->spec.append);
  EXPECT_EQ(write->spec.mode, "0755");
  const auto read = Execution::FromJson(
      SpecJson("ReadFile", "readFile", {{"path", "f"}, {"encoding", "base64"}}));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->spec.encoding, "base64");
  const auto list =
      Execution::FromJson(SpecJson("ListFiles", "listFiles", {{"limit", 7}, {"cursor", "YQ"}}));
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->spec.limit, 7);
  EXPECT_EQ(list->spec.cursor, "YQ");
  for (const Json& bad : {Json{{"path", "f"}, {"contentBase64", "YQ"}},
                          Json{{"path", "f"}, {"contentBase64", "Y\nQ="}},
                          Json{{"path", "f"}, {"content", ""}, {"mode", "rwx"}}}) {
    EXPECT_FALSE(Execution::FromJson(SpecJson("WriteFile", "writeFile", bad)).ok()) << bad;
  }
}

// What an older operator admitted has no member of these, and keeps its hash.
TEST(FileSpec, TheHashOfCodeIsWhatItWas) {
  Execution execution;
  execution.meta.uid = "u";
  execution.spec.sandbox_name = "s";
  execution.spec.code = "print(1)";
  EXPECT_EQ(SpecHash(execution, "sb", {}, "rev"),
            "68eec578ded202f91386d0df66612328efcfa6fb0660b6fb13c2f38d4eb0ffea");
}

RunRequest FileRequest(Operation operation) {
  RunRequest request;
  request.boot_id = "boot";
  request.operation = operation;
  request.timeout_millis = 3000;
  request.memory_bytes = 512 << 20;
  request.output_bytes = 1 << 20;
  request.path = "d/f";
  return request;
}

TEST(FileRequest, SurvivesARoundTripByteForByte) {
  RunRequest write = FileRequest(Operation::kWriteFile);
  write.content = std::string(kMaxContentBytes, '\0');
  write.append = true;
  write.mode = 0755;
  const auto read_write = RunRequestFromJson(ToJson(write));
  ASSERT_TRUE(read_write.ok()) << read_write.status().ToString();
  EXPECT_EQ(read_write->content, write.content);
  EXPECT_EQ(read_write->mode, 0755u);
  EXPECT_TRUE(read_write->append);
  EXPECT_LT(DumpJson(ToJson(write)).size(), kMaxRunRequestBytes);
  RunRequest list = FileRequest(Operation::kListFiles);
  list.path = "";
  list.limit = 9;
  list.cursor = "YQ";
  for (const RunRequest& one : {write, list, FileRequest(Operation::kReadFile)}) {
    const auto read = RunRequestFromJson(ToJson(one));
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ(ToJson(*read), ToJson(one));
  }
}

TEST(FileRequest, NamesTheMemberThatIsWrong) {
  const struct {
    Operation operation;
    const char* key;
    Json value;
  } kCases[] = {
      {Operation::kWriteFile, "path", nullptr},
      {Operation::kWriteFile, "path", std::string(4097, 'a')},
      {Operation::kWriteFile, "content", nullptr},
      {Operation::kWriteFile, "content", "?"},
      {Operation::kWriteFile, "content", Base64Encode(std::string(kMaxContentBytes + 1, 'x'))},
      {Operation::kWriteFile, "append", "yes"},
      {Operation::kWriteFile, "mode", 01000},
      {Operation::kWriteFile, "mode", "0644"},
      {Operation::kReadFile, "path", 7},
      {Operation::kReadFile, "outputBytes", 0},
      {Operation::kListFiles, "limit", 0},
      {Operation::kListFiles, "limit", kMaxListLimit + 1},
      {Operation::kListFiles, "cursor", 7},
      {Operation::kListFiles, "cursor", std::string(513, 'a')},
  };
  for (const auto& one : kCases) {
    Json json = ToJson(FileRequest(one.operation));
    json[one.key] = one.value;
    const auto refused = RunRequestFromJson(json);
    ASSERT_FALSE(refused.ok()) << one.key << " = " << one.value;
    EXPECT_EQ(refused.status().message().rfind(one.key, 0), 0u) << refused.status().message();
  }
}

Json ListingJson() {
  RunState state;
  state.run_id = "r1";
  state.finished = state.started = true;
  state.files = {MakeFileEntry("a", FileType::kFile, 1, 2),
                 MakeFileEntry("b\xff", FileType::kDirectory, 0, 3)};
  state.files_truncated = true;
  state.files_cursor = ListCursor("b\xff");
  return ToJson(state);
}

TEST(FileState, SurvivesARoundTrip) {
  const auto read = RunStateFromJson(ListingJson(), 100);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_EQ(read->files.size(), 2u);
  EXPECT_EQ(read->files[1].Bytes(), "b\xff");
  EXPECT_EQ(ToJson(*read), ListingJson());
}

// The runner is untrusted: a listing is a page, in order, of names that files can have.
TEST(FileState, RefusesAListingThatCannotBe) {
  const auto entry = [](const std::string& name, const char* type = "file") {
    return Json{{"name", Base64Encode(name)}, {"type", type}, {"size", 1}, {"mtime", 1}};
  };
  Json many = Json::array(), thick = Json::array();
  for (int i = 0; i < 4097; ++i) many.push_back(entry(std::to_string(100'000 + i)));
  for (int i = 0; i < 2000; ++i) {
    thick.push_back(entry(std::to_string(100'000 + i) + std::string(240, 'x')));
  }
  const struct {
    const char* key;
    Json value;
  } kCases[] = {
      {"errorCode", "Fine"},
      {"files", "a"},
      {"files", Json::array({1})},
      {"files", Json::array({entry("")})},
      {"files", Json::array({entry(".")})},
      {"files", Json::array({entry("..")})},
      {"files", Json::array({entry("a/b")})},
      {"files", Json::array({entry(std::string("a\0", 2))})},
      {"files", Json::array({entry(std::string(256, 'x'))})},
      {"files", Json::array({entry("a", "door")})},
      {"files", Json::array({entry("b"), entry("a")})},
      {"files", Json::array({entry("a"), entry("a")})},
      {"files", many},
      {"files", thick},
      {"filesCursor", "YQ"},
      {"filesTruncated", false},
  };
  for (const auto& one : kCases) {
    Json json = ListingJson();
    json[one.key] = one.value;
    EXPECT_FALSE(RunStateFromJson(json, 100).ok()) << one.key << " = " << one.value;
  }
}

}  // namespace
}  // namespace sandgate::api
