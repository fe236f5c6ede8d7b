// The parameters of the file tools. Pure.
#pragma once

#include <variant>

#include "api-gateway/call_error.h"
#include "api-gateway/tool_call.h"
#include "libs/api/json.h"

namespace sandgate::gateway {

// `json` is an object.
std::variant<ToolCall, CallError> ParseWriteFile(const api::Json& json);
std::variant<ToolCall, CallError> ParseReadFile(const api::Json& json);
std::variant<ToolCall, CallError> ParseListFiles(const api::Json& json);

}  // namespace sandgate::gateway
