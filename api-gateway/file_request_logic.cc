#include "api-gateway/file_request_logic.h"

#include "api-gateway/parameters_logic.h"
#include "libs/api/runner_protocol.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxBase64Bytes = (kMaxContentBytes + 2) / 3 * 4;

std::string ReadContent(BodyReader* reader, bool is_text) {
  if (is_text) return reader->RequiredContent("content", kMaxContentBytes);
  const std::string encoded = reader->RequiredContent("content", kMaxBase64Bytes);
  auto bytes = api::Base64Decode(encoded);
  if (!bytes) {
    reader->Fail("content", "is not base64 (RFC 4648, with padding, without line breaks)");
    return "";
  }
  if (bytes->size() > kMaxContentBytes) {
    reader->Fail("content", "has " + std::to_string(bytes->size()) +
                                " bytes when decoded; at most " + std::to_string(kMaxContentBytes) +
                                " are allowed");
  }
  return *std::move(bytes);
}

}  // namespace

std::variant<ToolCall, CallError> ParseWriteFile(const api::Json& json) {
  BodyReader reader(json);
  WriteFile call;
  call.sandbox_id = ReadSandboxId(&reader, true);
  call.file_path = ReadPath(&reader, "file_path", true);
  call.is_text = ReadEncoding(&reader) != "base64";
  call.content = ReadContent(&reader, call.is_text);
  call.append = reader.OptionalBool("append");
  call.mode = reader.OptionalText("mode", 64);
  if (!call.mode.empty() && !api::ParseFileMode(call.mode)) {
    reader.Fail("mode", "must be three octal digits as a string, for example \"0755\"");
  }
  if (auto error = reader.Finish()) return *error;
  return ToolCall(std::move(call));
}

std::variant<ToolCall, CallError> ParseReadFile(const api::Json& json) {
  BodyReader reader(json);
  ReadFile call;
  call.sandbox_id = ReadSandboxId(&reader, true);
  call.file_path = ReadPath(&reader, "file_path", true);
  call.encoding = ReadEncoding(&reader);
  if (auto error = reader.Finish()) return *error;
  return ToolCall(std::move(call));
}

std::variant<ToolCall, CallError> ParseListFiles(const api::Json& json) {
  BodyReader reader(json);
  ListFiles call;
  call.sandbox_id = ReadSandboxId(&reader, true);
  call.path = ReadPath(&reader, "path", false);
  call.limit = reader.OptionalInteger("limit", 1, api::kMaxListLimit);
  call.cursor = reader.OptionalText("cursor", kMaxCursorBytes);
  if (!call.cursor.empty() && !api::ReadListCursor(call.cursor)) {
    reader.Fail("cursor", "must be the next_cursor of an answer");
  }
  if (auto error = reader.Finish()) return *error;
  return ToolCall(std::move(call));
}

}  // namespace sandgate::gateway
