#include "api-gateway/schema_parts.h"

namespace sandgate::gateway::schema {

using api::Json;

Json Text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

Json Flag(const char* description) {
  return {{"type", "boolean"}, {"description", description}};
}

Json Integer(const char* description, int64_t min, int64_t max) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}, {"description", description}};
}

Json OneOf(const char* description, Json values) {
  Json text = Text(description);
  text["enum"] = std::move(values);
  return text;
}

Json Nullable(const char* type, const char* description) {
  return {{"type", {type, "null"}}, {"description", description}};
}

Json ListOf(Json items, const char* description) {
  return {{"type", "array"}, {"items", std::move(items)}, {"description", description}};
}

Json Object(Json properties, Json required) {
  Json object = OpenObject(std::move(properties), std::move(required));
  object["additionalProperties"] = false;
  return object;
}

Json OpenObject(Json properties, Json required) {
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

}  // namespace sandgate::gateway::schema
