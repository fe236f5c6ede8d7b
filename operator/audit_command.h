// `sandgate-operator audit verify FILE`: is this the audit log as it was written?
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace sandgate::op {

// `arguments`: what follows "audit". The exit code: 0 intact, 1 not (the line and what is wrong are
// written), 2 the file or the arguments cannot be used.
int AuditCommand(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace sandgate::op
