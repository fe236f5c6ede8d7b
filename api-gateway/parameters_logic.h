// Parameters that several tools have, and what their values may look like. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api-gateway/body_reader.h"

namespace sandgate::gateway {

// RFC 1123 label of at most `max` characters.
bool IsDnsLabel(std::string_view text, size_t max);

// "" when it is absent and not required, or wrong.
std::string ReadSandboxId(BodyReader* reader, bool required);
// Domains in the normal form that the operator grants (egress/domain_list.h), each once. A mistake
// is named by the entry.
std::vector<std::string> ReadDomains(BodyReader* reader, const char* name);
// A path relative to /workspace. Where it leads is the runner's to judge: only it sees the links.
std::string ReadPath(BodyReader* reader, const char* name, bool required);
// "text", "base64", or "" when absent.
std::string ReadEncoding(BodyReader* reader);

}  // namespace sandgate::gateway
