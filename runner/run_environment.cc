#include "runner/run_environment.h"

#include <algorithm>

namespace sandgate::runner {
namespace {

using Variables = std::vector<std::string>;

constexpr int64_t kMebibyte = 1024 * 1024;

// Of code. The scripts of packages come first, as those of a user's own do.
Variables CodeEnvironment(bool packages) {
  const std::string python = kPythonBase, modules = kNodeModules;
  const std::string scripts = packages ? python + "/bin:" + modules + "/.bin:" : std::string();
  return {
      "PATH=" + scripts + kImagePath,
      "HOME=/workspace",
      // The script stands outside of the workspace; modules in the workspace are still found.
      std::string("PYTHONPATH=/workspace") + (packages ? std::string(":") + kPythonPackages : ""),
      "NODE_PATH=/workspace/node_modules",
  };
}

}  // namespace

Variables RunEnvironment(PackagesView view) {
  Variables variables = {std::string("PATH=") + kImagePath, "HOME=/tmp"};
  if (view != PackagesView::kAlone) variables = CodeEnvironment(view == PackagesView::kReadOnly);
  variables.insert(
      variables.end(),
      {"LANG=C.UTF-8", "TMPDIR=/tmp",
       // Output that was printed before a kill is there, and not in a buffer that died.
       "PYTHONUNBUFFERED=1"});
  return variables;
}

Variables InstallEnvironment(const api::InstallRequest& install, int64_t memory_bytes) {
  switch (install.installer) {
    case api::Installer::kPip:
      return {
          std::string("PYTHONUSERBASE=") + kPythonBase,
          "PIP_CONFIG_FILE=/dev/null",  // none at all, by pip's own rule
          "PIP_NO_INPUT=1",
          "PIP_NO_CACHE_DIR=1",
          "PIP_PROGRESS_BAR=off",
          "PIP_DISABLE_PIP_VERSION_CHECK=1",
          "PIP_ROOT_USER_ACTION=ignore",
          "PIP_KEYRING_PROVIDER=disabled",
          // Distributions mark their Python as theirs; nothing of it is touched here.
          "PIP_BREAK_SYSTEM_PACKAGES=1",
      };
    case api::Installer::kNpm:
      return {
          "NODE_OPTIONS=" + NodeHeapFlag(memory_bytes),
          // Files that are not there, for the user's and the machine's; two, since npm refuses one
          // name for both.
          "npm_config_userconfig=/run/no-user.npmrc",
          "npm_config_globalconfig=/run/no-global.npmrc",
          "npm_config_cache=/tmp/.npm",
          "npm_config_logs_max=0",
          "npm_config_update_notifier=false",
          "npm_config_audit=false",
          "npm_config_fund=false",
          "npm_config_progress=false",
          // Its own ten seconds between tries are longer than most installs may take.
          "npm_config_fetch_retry_mintimeout=500",
          "npm_config_fetch_retry_maxtimeout=2000",
      };
  }
  return {};
}

std::string NodeHeapFlag(int64_t memory_bytes) {
  const int64_t mebibytes = std::max<int64_t>(16, memory_bytes / kMebibyte * 3 / 4);
  return "--max-old-space-size=" + std::to_string(mebibytes);
}

}  // namespace sandgate::runner
