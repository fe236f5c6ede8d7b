// What the audit log must say, whatever happens (docs/decisions/0017).
#pragma once

#include <string>
#include <vector>

#include "tests/crash/world.h"

namespace sandgate::crash {

void CheckAudit(const World& world, const std::vector<testing::Change>& history,
                std::vector<std::string>* out);

}  // namespace sandgate::crash
