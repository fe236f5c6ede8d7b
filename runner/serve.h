// `sandgate-runner serve`: the entrypoint of a sandbox's container.
#pragma once

#include <cstdint>
#include <string>

namespace sandgate::runner {

struct ServeOptions {
  std::string identity;  // directory with the key, emptied before anything listens
  std::string sandbox_uid;
  std::string workspace;
  std::string address = "0.0.0.0";
  uint16_t port = 0;
  int64_t disk_bytes = 0;  // 0: what the workspace's file system says
};

// Serves until SIGTERM or SIGINT. Returns the process's exit code; a reason for a failure is
// logged. Must be called while the process has one thread.
int Serve(const ServeOptions& options);

}  // namespace sandgate::runner
