#include "runner/install.h"

#include "runner/files.h"
#include "runner/identity.h"

namespace sandgate::runner {
namespace {

constexpr size_t kMaxProgramBytes = 256 * 1024 * 1024;

}  // namespace

base::Status Install(const InstallOptions& options) {
  const base::Result<std::string> program = ReadFile("/proc/self/exe", kMaxProgramBytes);
  if (!program.ok()) return program.status().WithContext("read this program");
  base::Status status = WriteFileAtomically(options.to + "/sandgate-runner", *program, 0555);
  if (!status.ok()) return status.WithContext("install the runner");
  return CopyIdentity(options.secret, options.identity).WithContext("install the identity");
}

}  // namespace sandgate::runner
