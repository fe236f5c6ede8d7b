// Reads how much memory there is in use.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "runner/memory_logic.h"

namespace sandgate::runner {

// Used by one thread at a time.
class MemoryProbe {
 public:
  virtual ~MemoryProbe() = default;

  // `root` is the init of the run, or -1 while there is none. A file that cannot be read counts as
  // 0: under gVisor they always can, and Create checks it.
  virtual MemorySample Sample(pid_t root) = 0;

  // Under gVisor the sandbox's own numbers; elsewhere (development, tests) the resident pages of
  // the run's processes.
  static std::unique_ptr<MemoryProbe> Create(const std::string& workspace);
};

}  // namespace sandgate::runner
