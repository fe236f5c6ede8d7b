// Waiting for the end of processes, with a limit.
#pragma once

#include <sys/types.h>

#include <chrono>

namespace sandgate::runner {

// Reaps the child; true once it is gone. SIGCHLD must be blocked in every thread, and one thread
// at a time may wait.
bool WaitForChild(pid_t pid, std::chrono::milliseconds limit);

// Where this process is pid 1 of its namespace: reaps and waits until it and `helper` are the only
// processes there. Elsewhere (tests) true at once.
bool WaitUntilAlone(pid_t helper, std::chrono::milliseconds limit);

}  // namespace sandgate::runner
