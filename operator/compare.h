// Is an object in the cluster still what it has to be?
#pragma once

#include <string>

#include "libs/api/json.h"

namespace sandgate::op {

// "" when `live` says the same as `expected`, else where they differ ("spec.validations[2]").
// Strict both ways, since one more member can switch a rule off (an added matchCondition, an added
// egress rule): a member of `live` that `expected` lacks is a difference, unless it is empty or
// exactly what the API server fills in by itself.
std::string FirstDifference(const api::Json& expected, const api::Json& live);

}  // namespace sandgate::op
