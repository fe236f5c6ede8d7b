// The tools that a policy speaks of, and their parameters, by the seed's names.
#pragma once

#include <string>
#include <vector>

namespace sandgate::policy {

const std::vector<std::string>& Tools();
// The parameters of `tool` that conditions may name.
const std::vector<std::string>& ParametersOf(const std::string& tool);

}  // namespace sandgate::policy
