// What the init keeps and the code loses.
#pragma once

#include <string>

namespace sandgate::runner {

// In the init, before the code starts: empties the bounding set, locks the secure bits, sets
// no_new_privs, and keeps one capability alone. That one is a shield, not a tool: a process without
// capabilities may not trace one that has any. Returns nullptr, or the step that failed (errno).
const char* ReduceInit();

// In the process that becomes the code: no capability in any set, checked, and the filter (a
// seccomp program as libseccomp exports it). Nothing may be done after this but exec.
// Returns nullptr, or the step that failed (errno).
const char* DropEverything(const std::string& filter);

}  // namespace sandgate::runner
