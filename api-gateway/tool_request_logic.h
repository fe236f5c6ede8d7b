// A tool call's JSON body to a typed call, or to one clear error. Pure. Strict: what is not known
// is refused, since a misspelt "timeout" must not silently mean the default.
#pragma once

#include <string_view>
#include <variant>

#include "api-gateway/call_error.h"
#include "api-gateway/tool_call.h"

namespace sandgate::gateway {

// `tool` is the last segment of the path. Status 404 for a tool that does not exist, 400 for a body
// that is no JSON object, 422 with the field for everything else.
std::variant<ToolCall, CallError> ParseToolCall(std::string_view tool, std::string_view body);

}  // namespace sandgate::gateway
