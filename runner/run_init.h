// The init of a run's namespaces: pid 1 there, a few lines of the runner that outlive nothing.
#pragma once

#include <sys/types.h>

#include <string>

#include "runner/run_spec.h"

namespace sandgate::runner {

// Called in the process that clone made in new user, PID, mount, IPC and network namespaces. Maps
// `uid` and `gid` to themselves, offers the listeners of a run with network, builds the run's root,
// starts the code without any capability, waits for its end and tells it over kStatusFd. Its exit
// takes every process of the run with it. Every failure before the code runs is told as kRefused:
// the code then never starts.
[[noreturn]] void RunInit(const RunSpec& spec, const std::string& filter, uid_t uid, gid_t gid);

}  // namespace sandgate::runner
