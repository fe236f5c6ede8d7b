#include "api-gateway/parameters_logic.h"

#include <algorithm>

#include "api-gateway/tool_call.h"
#include "libs/egress/domain_list.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxDomainBytes = 253;  // of UTF-8, as the CRDs take it

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

std::string ReadSandboxId(BodyReader* reader, bool required) {
  const std::string id = ReadText(reader, "sandbox_id", 253, required);
  if (!id.empty() && !IsDnsLabel(id, kMaxSandboxName)) {
    reader->Fail("sandbox_id",
                 "must be a Sandbox's name: lower-case letters, digits and dashes, at most 52");
  }
  return id;
}

std::vector<std::string> ReadDomains(BodyReader* reader, const char* name) {
  std::vector<std::string> domains;
  const auto entries = reader->OptionalTexts(name, kMaxDomains, kMaxDomainBytes);
  for (size_t i = 0; i < entries.size(); ++i) {
    auto domain = egress::NormalizeDomainEntry(entries[i]);
    if (!domain.ok()) {
      reader->Fail(std::string(name) + "[" + std::to_string(i) + "]",
                   "must be a domain, for example files.example.com or *.example.com, with no "
                   "scheme, port or path; this one " +
                       domain.status().message());
    } else if (std::find(domains.begin(), domains.end(), *domain) == domains.end()) {
      domains.push_back(std::move(domain).value());
    }
  }
  // What is wrong with them together.
  if (reader->ok()) {
    const auto all = egress::NormalizeDomainList(domains);
    if (!all.ok()) reader->Fail(name, all.status().message());
  }
  return domains;
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
