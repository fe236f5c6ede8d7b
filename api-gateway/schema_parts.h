// Pieces of JSON Schema that parameters and results are made of.
#pragma once

#include "libs/api/json.h"

namespace sandgate::gateway::schema {

api::Json Text(const char* description);
api::Json Flag(const char* description);
api::Json Integer(const char* description, int64_t min, int64_t max);
api::Json OneOf(const char* description, api::Json values);
// `type` or null.
api::Json Nullable(const char* type, const char* description);
api::Json ListOf(api::Json items, const char* description);
// Takes no other members.
api::Json Object(api::Json properties, api::Json required);
// May have other members: a client must not fail when a later version adds one.
api::Json OpenObject(api::Json properties, api::Json required);

}  // namespace sandgate::gateway::schema
