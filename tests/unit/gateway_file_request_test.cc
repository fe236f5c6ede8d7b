// What callers of the file and package tools send, and how it is refused.
#include <gtest/gtest.h>

#include "api-gateway/tool_request_logic.h"
#include "libs/api/json.h"

namespace sandgate::gateway {
namespace {

template <typename Tool>
Tool Parsed(const std::string& tool, const api::Json& body) {
  const auto parsed = ParseToolCall(tool, body.dump());
  if (const auto* error = std::get_if<CallError>(&parsed)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return std::get<Tool>(std::get<ExecutionCall>(std::get<ToolCall>(parsed)));
}

TEST(GatewayFileRequest, AWrite) {
  const auto plain = Parsed<WriteFile>(
      "code_write_file", {{"sandbox_id", "a"}, {"file_path", "config.json"}, {"content", "{}"}});
  EXPECT_EQ(plain.sandbox_id, "a");
  EXPECT_EQ(plain.file_path, "config.json");
  EXPECT_EQ(plain.content, "{}");
  EXPECT_TRUE(plain.is_text);
  EXPECT_FALSE(plain.append);
  EXPECT_EQ(plain.mode, "");
  const auto full = Parsed<WriteFile>("code_write_file", {{"sandbox_id", "a"},
                                                          {"file_path", "bin/run"},
                                                          {"content", "AP8="},
                                                          {"encoding", "base64"},
                                                          {"append", true},
                                                          {"mode", "0755"}});
  EXPECT_EQ(full.content, std::string("\x00\xff", 2));
  EXPECT_FALSE(full.is_text);
  EXPECT_TRUE(full.append);
  EXPECT_EQ(full.mode, "0755");
}

TEST(GatewayFileRequest, ContentUpToItsLimit) {
  const api::Json place = {{"sandbox_id", "a"}, {"file_path", "f"}};
  api::Json body = place;
  for (const std::string& content :
       {std::string(), std::string("\0", 1), std::string(kMaxContentBytes, '\n')}) {
    body["content"] = content;
    EXPECT_EQ(Parsed<WriteFile>("code_write_file", body).content, content);
  }
  body["encoding"] = "base64";
  body["content"] = "";
  EXPECT_EQ(Parsed<WriteFile>("code_write_file", body).content, "");
  // 524288 bytes end in "AA==" with one byte less than 524289 in the same number of characters.
  body["content"] = std::string(699048, 'A') + "AAA=";
  EXPECT_EQ(Parsed<WriteFile>("code_write_file", body).content.size(), kMaxContentBytes);
}

TEST(GatewayFileRequest, ReadListAndInstall) {
  const auto read = Parsed<ReadFile>(
      "code_read_file", {{"sandbox_id", "a"}, {"file_path", "x"}, {"encoding", "base64"}});
  EXPECT_EQ(read.encoding, "base64");
  const auto list = Parsed<ListFiles>("code_list_files", {{"sandbox_id", "a"}});
  EXPECT_EQ(list.path, "");
  EXPECT_EQ(list.limit, std::nullopt);
  const auto page = Parsed<ListFiles>(
      "code_list_files", {{"sandbox_id", "a"}, {"path", "."}, {"limit", 4096}, {"cursor", "eA"}});
  EXPECT_EQ(page.limit, 4096);
  EXPECT_EQ(page.cursor, "eA");
  for (const char* package : {"requests==2.31.0", "axios@1.6.0", "@scope/name@^1.0.0", "Pillow",
                              "uvicorn[standard]>=0.20,<1", "7zip"}) {
    EXPECT_EQ(
        Parsed<InstallPackage>("code_install_package", {{"sandbox_id", "a"}, {"package", package}})
            .package,
        package);
  }
  api::Json install = {{"sandbox_id", "a"}, {"package", "p"}};
  EXPECT_EQ(Parsed<InstallPackage>("code_install_package", install).timeout, std::nullopt);
  install["timeout"] = 120;
  EXPECT_EQ(Parsed<InstallPackage>("code_install_package", install).timeout, 120);
}

struct Bad {
  const char* tool;
  api::Json change;  // of a good body; null takes a member away
  const char* field;
  const char* says;
};

constexpr char kWrite[] = "code_write_file";
constexpr char kRead[] = "code_read_file";
constexpr char kList[] = "code_list_files";
constexpr char kInstall[] = "code_install_package";

api::Json GoodBody(const std::string& tool) {
  api::Json body = {{"sandbox_id", "a"}};
  if (tool == kWrite || tool == kRead) body["file_path"] = "f";
  if (tool == kWrite) body["content"] = "c";
  if (tool == kInstall) body["package"] = "p";
  return body;
}

std::vector<Bad> BadCalls() {
  const std::string nul("a\0b", 3);
  return {
      {kWrite, {{"sandbox_id", nullptr}}, "sandbox_id", "is required"},
      {kWrite, {{"sandbox_id", "A"}}, "sandbox_id", "lower-case"},
      {kWrite, {{"file_path", nullptr}}, "file_path", "is required"},
      {kWrite, {{"file_path", ""}}, "file_path", "empty"},
      {kWrite, {{"file_path", 5}}, "file_path", "must be a string"},
      {kWrite, {{"file_path", nul}}, "file_path", "NUL"},
      {kWrite, {{"file_path", std::string(4097, 'x')}}, "file_path", "at most 4096"},
      {kWrite, {{"content", nullptr}}, "content", "is required"},
      {kWrite, {{"content", 5}}, "content", "must be a string"},
      {kWrite, {{"content", {"a"}}}, "content", "must be a string"},
      {kWrite, {{"content", std::string(kMaxContentBytes + 1, 'x')}}, "content", "at most 524288"},
      {kWrite, {{"content", "AA="}, {"encoding", "base64"}}, "content", "not base64"},
      {kWrite, {{"content", "A A="}, {"encoding", "base64"}}, "content", "not base64"},
      {kWrite, {{"content", "_-=="}, {"encoding", "base64"}}, "content", "not base64"},
      {kWrite,
       {{"content", std::string(699052, 'A')}, {"encoding", "base64"}},
       "content",
       "when decoded"},
      {kWrite,
       {{"content", std::string(699056, 'A')}, {"encoding", "base64"}},
       "content",
       "at most 699052"},
      {kWrite, {{"encoding", "utf-8"}}, "encoding", "text or base64"},
      {kWrite, {{"encoding", 1}}, "encoding", "must be a string"},
      {kWrite, {{"append", "yes"}}, "append", "true or false"},
      {kWrite, {{"mode", 493}}, "mode", "must be a string"},
      {kWrite, {{"mode", "rwx"}}, "mode", "octal"},
      {kWrite, {{"mode", "4755"}}, "mode", "octal"},
      {kWrite, {{"mode", "0788"}}, "mode", "octal"},
      {kWrite, {{"mode", "75"}}, "mode", "octal"},
      {kWrite, {{"mode", "00755"}}, "mode", "octal"},
      {kWrite, {{"timeout", 3}}, "timeout", "is not a parameter"},
      {kRead, {{"sandbox_id", nullptr}}, "sandbox_id", "is required"},
      {kRead, {{"file_path", nullptr}}, "file_path", "is required"},
      {kRead, {{"file_path", {{"a", 1}}}}, "file_path", "must be a string"},
      {kRead, {{"encoding", "binary"}}, "encoding", "text or base64"},
      {kRead, {{"content", "x"}}, "content", "is not a parameter"},
      {kList, {{"sandbox_id", nullptr}}, "sandbox_id", "is required"},
      {kList, {{"path", ""}}, "path", "empty"},
      {kList, {{"path", nul}}, "path", "NUL"},
      {kList, {{"path", 1}}, "path", "must be a string"},
      {kList, {{"limit", 0}}, "limit", "from 1 to 4096"},
      {kList, {{"limit", 4097}}, "limit", "from 1 to 4096"},
      {kList, {{"limit", "5"}}, "limit", "whole number"},
      {kList, {{"cursor", ""}}, "cursor", "empty"},
      {kList, {{"cursor", "not one"}}, "cursor", "next_cursor"},
      {kList, {{"cursor", std::string(2000, 'x')}}, "cursor", "at most"},
      {kList, {{"file_path", "x"}}, "file_path", "is not a parameter"},
      {kInstall, {{"sandbox_id", nullptr}}, "sandbox_id", "is required"},
      {kInstall, {{"package", nullptr}}, "package", "is required"},
      {kInstall, {{"package", ""}}, "package", "empty"},
      {kInstall, {{"package", {"a"}}}, "package", "must be a string"},
      {kInstall, {{"package", "-r/etc/passwd"}}, "package", "name with an optional version"},
      {kInstall, {{"package", "./local"}}, "package", "name with an optional version"},
      {kInstall, {{"package", "a\n--index-url=x"}}, "package", "name with an optional version"},
      {kInstall, {{"package", std::string(257, 'a')}}, "package", "at most 256"},
      {kInstall, {{"registry", "https://example.com"}}, "registry", "pypi or npm"},
      {kInstall, {{"registry", 1}}, "registry", "must be a string"},
      {kInstall, {{"timeout", 0}}, "timeout", "from 1 to 86400"},
      {kInstall, {{"timeout", "2m"}}, "timeout", "whole number"},
      {kInstall, {{"version", "1"}}, "version", "is not a parameter"},
  };
}

TEST(GatewayFileRequest, EveryMistakeIsNamed) {
  for (const Bad& bad : BadCalls()) {
    api::Json body = GoodBody(bad.tool);
    body.update(bad.change);
    const auto parsed = ParseToolCall(bad.tool, body.dump());
    const std::string shown = bad.tool + bad.change.dump().substr(0, 200);
    const auto* error = std::get_if<CallError>(&parsed);
    ASSERT_NE(error, nullptr) << shown;
    EXPECT_EQ(error->status, 422U) << shown << error->message;
    EXPECT_EQ(error->field, bad.field) << shown;
    EXPECT_NE(error->message.find(bad.says), std::string::npos)
        << shown << " says " << error->message;
    EXPECT_LT(error->message.size(), 500U);
  }
}

}  // namespace
}  // namespace sandgate::gateway
