// Label and field selectors, as far as our programs use them.
#pragma once

#include <string>

#include "libs/api/json.h"

namespace sandgate::testing {

// "a=b,c!=d,e,!f" over metadata.labels. "" matches everything.
bool MatchesLabels(const std::string& selector, const api::Json& object);

// "status.phase=Running,metadata.name!=x": any dotted path; an absent member is "".
bool MatchesFields(const std::string& selector, const api::Json& object);

}  // namespace sandgate::testing
