// `sandgate-operator policy check|test`: is this a policy, and what would it say about a call?
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace sandgate::op {

// `arguments`: what follows "policy". The exit code: 0 checked or judged, 1 the file is refused
// (with line, key and what would be right), 2 the arguments cannot be used.
int PolicyCommand(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace sandgate::op
