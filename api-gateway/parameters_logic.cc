#include "api-gateway/parameters_logic.h"

#include <algorithm>

#include "api-gateway/tool_call.h"

namespace sandgate::gateway {
namespace {

bool IsLowerAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string ReadText(BodyReader* reader, const char* name, size_t max_bytes, bool required) {
  return required ? reader->RequiredText(name, max_bytes) : reader->OptionalText(name, max_bytes);
}

}  // namespace

bool IsDnsLabel(std::string_view text, size_t max) {
  if (text.empty() || text.size() > max) return false;
  if (!IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

bool IsDomain(std::string_view text) {
  if (text.size() > 253) return false;
  if (text.starts_with("*.")) text.remove_prefix(2);
  size_t labels = 0;
  for (;;) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (!IsDnsLabel(label, 63)) return false;
    ++labels;
    if (dot == std::string_view::npos) {
      // The last label begins with a letter and has two characters: so no address is a domain.
      return labels >= 2 && label.size() >= 2 && label[0] >= 'a' && label[0] <= 'z';
    }
    text.remove_prefix(dot + 1);
  }
}

std::string ReadSandboxId(BodyReader* reader, bool required) {
  const std::string id = ReadText(reader, "sandbox_id", 253, required);
  if (!id.empty() && !IsDnsLabel(id, kMaxSandboxName)) {
    reader->Fail("sandbox_id",
                 "must be a Sandbox's name: lower-case letters, digits and dashes, at most 52");
  }
  return id;
}

std::string ReadPath(BodyReader* reader, const char* name, bool required) {
  const std::string path = ReadText(reader, name, kMaxPathBytes, required);
  if (path.find('\0') != std::string::npos) reader->Fail(name, "must not contain a NUL character");
  return path;
}

std::string ReadEncoding(BodyReader* reader) {
  const std::string encoding = reader->OptionalText("encoding", 64);
  if (!encoding.empty() && encoding != "text" && encoding != "base64") {
    reader->Fail("encoding", "must be text or base64");
  }
  return encoding;
}

}  // namespace sandgate::gateway
