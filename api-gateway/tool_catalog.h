// What the gateway says of itself: the tools with JSON Schemas, and the whole API as OpenAPI.
#pragma once

#include <string>

namespace sandgate::gateway {

// GET /v1/tools: {"tools": [{"name", "description", "parameters": <JSON Schema>, "result": <JSON
// Schema>}]}. The shape that agent frameworks take as function definitions.
const std::string& ToolListJson();

// GET /openapi.json: OpenAPI 3.1.
const std::string& OpenApiJson();

}  // namespace sandgate::gateway
