// JSON as this project reads and writes it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "libs/base/status.h"

namespace sandgate::api {

using Json = nlohmann::json;

inline constexpr size_t kMaxJsonDepth = 64;

// Parses text of any origin. kInvalidArgument: not JSON, deeper than `max_depth`, a member named
// twice in one object (which of the two would have been approved?), or trailing bytes; the message
// says where, in less than 700 bytes. Sizes are the caller's business.
base::Result<Json> ParseJson(std::string_view text, size_t max_depth = kMaxJsonDepth);

// Compact text. Bytes that are not UTF-8 become U+FFFD: never throws.
std::string DumpJson(const Json& json);

// Member access that never throws and never inserts: a wrong or missing member is the fallback.
const Json& Member(const Json& object, std::string_view key);  // null Json when absent
std::string StringOr(const Json& object, std::string_view key, std::string_view fallback = "");
int64_t IntOr(const Json& object, std::string_view key, int64_t fallback = 0);
bool BoolOr(const Json& object, std::string_view key, bool fallback = false);

// `text` with every byte sequence that is not UTF-8 replaced by U+FFFD; *replaced tells if any was.
std::string ToUtf8(std::string_view text, bool* replaced);

}  // namespace sandgate::api
