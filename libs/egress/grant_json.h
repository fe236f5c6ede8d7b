// A grant's payload: to and from JSON, with every rule about its members. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/base/status.h"
#include "libs/egress/grant.h"

namespace sandgate::egress {

// Ok, or kInvalidArgument naming the member that no grant may have so.
base::Status CheckGrant(const Grant& grant);
std::string GrantToJson(const Grant& grant);
// nullopt unless it is exactly what GrantToJson writes for a grant that CheckGrant accepts.
std::optional<Grant> GrantFromJson(std::string_view payload);

}  // namespace sandgate::egress
