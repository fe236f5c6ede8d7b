// What must hold whatever happens (docs/design.md, section 9), read off the API server's history.
#pragma once

#include <string>
#include <vector>

#include "tests/crash/world.h"

namespace sandgate::crash {

// What is violated, in words; empty when all holds. After World::Settle.
std::vector<std::string> Violations(const World& world);

}  // namespace sandgate::crash
