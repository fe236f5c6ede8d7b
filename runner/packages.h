// The place of installed packages in a workspace, and who sees what of it.
//
// Installs write there, and nothing else ever does: to every other run it is read-only, by a mount
// that code cannot undo. An install in turn sees nothing of the workspace but this place. So what
// earlier code left (configuration files, modules, links) can neither lead an install astray nor be
// run by it while it has network, and what an install runs can neither read nor change the agent's
// own files.
#pragma once

#include <cstdint>
#include <string>

#include "libs/base/status.h"

namespace sandgate::runner {

enum class PackagesView : int64_t {
  kAbsent,    // nothing was installed yet: what has its name is the code's own
  kReadOnly,  // in the workspace
  kAlone,     // writable, without the rest of the workspace: for installs
};

inline constexpr char kWorkspacePath[] = "/workspace";
inline constexpr char kPackagesPath[] = "/workspace/.sandgate";
// What pip takes for the user's base directory. Where the packages are in it depends on the image's
// Python, so a link of a known name leads there.
inline constexpr char kPythonBase[] = "/workspace/.sandgate/python";
inline constexpr char kPythonPackages[] = "/workspace/.sandgate/python/packages";
inline constexpr char kPipReport[] = "/workspace/.sandgate/python/report.json";
// What npm takes for the project's directory.
inline constexpr char kNodeBase[] = "/workspace/.sandgate/node";
inline constexpr char kNodeModules[] = "/workspace/.sandgate/node/node_modules";
inline constexpr char kNpmLock[] = "/workspace/.sandgate/node/node_modules/.package-lock.json";
// The lock of the install before: npm's own tells all there is, not what is new.
inline constexpr char kNpmLockBefore[] = "/workspace/.sandgate/node/lock-before.json";

// Makes the place in `workspace`, which no run is using. kAlreadyExists where something has its
// name: what that is, only the code knows.
base::Status MakePackagesPlace(const std::string& workspace);

// In the init, while the run's root is built at `staging`: makes its /workspace out of `workspace`.
// Returns nullptr, or the step that failed (errno).
const char* BindWorkspace(const std::string& workspace, PackagesView view,
                          const std::string& staging);

}  // namespace sandgate::runner
