// What the runner tells the stage about one run, and what comes back over the status pipe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/api/package.h"
#include "libs/api/sandbox.h"
#include "runner/file_operations.h"
#include "runner/packages.h"

namespace sandgate::runner {

// Descriptors of a run's init. It closes all others before it does anything else.
enum RunFd : int {
  kSpecFd = 0,     // memfd with an encoded RunSpec
  kStdoutFd = 1,   // pipe
  kStderrFd = 2,   // pipe
  kStatusFd = 3,   // pipe, StatusRecord to the runner
  kControlFd = 4,  // pipe, bytes from the runner; its end means that the runner is gone
  kNetworkFd = 5,  // socket, for the listeners of a run with network; else there is none
};
inline constexpr int kMaxRunDescriptors = 6;

// The one byte the runner ever sends: SIGTERM to every process of the run.
inline constexpr char kTerminateByte = 'T';

// The way out of a run, as far as its own namespaces know of it.
struct NetworkSpec {
  std::string hosts;        // the text of its /etc/hosts
  std::string authorities;  // PEM, trusted beside the image's own; may be ""
};

struct RunSpec {
  // A file operation, done by this program itself; then there is no argv and no code.
  std::optional<FileRequest> file;

  std::vector<std::string> argv;
  std::string code;
  std::string code_path;       // where the code stands in the run's own root
  bool code_on_stdin = false;  // else stdin is /dev/null
  std::string workspace;       // bound into the run's root at kWorkspacePath
  PackagesView packages = PackagesView::kAbsent;
  std::optional<NetworkSpec> network;    // absent: its own loopback is all there is
  std::vector<std::string> environment;  // beside RunEnvironment()
  // Resource limits of each process; 0 = none of ours.
  int64_t address_space_bytes = 0;
  int64_t file_bytes = 0;
  int64_t processes = 0;  // of the uid, and the runner's threads count
  int64_t open_files = 0;
  // The run's own tmpfs mounts.
  int64_t tmp_bytes = 0;
  int64_t shm_bytes = 0;
};

inline constexpr char kCodeDirectory[] = "/run/code";
inline constexpr char kNetworkDirectory[] = "/run/network";
inline constexpr char kAllAuthoritiesPath[] = "/run/network/authorities.pem";
inline constexpr char kExtraAuthoritiesPath[] = "/run/network/extra-authorities.pem";

// Both sides are this program, so a malformed text is a bug: Decode gives nullopt.
std::string Encode(const RunSpec& spec);
std::optional<RunSpec> Decode(std::string_view text);

// How a language's code is started, with limits of one run.
RunSpec SpecFor(api::Language language, std::string code, int64_t memory_bytes, int64_t disk_bytes,
                std::string workspace);

// How a file operation is done. The same limits hold, so that nothing in it can go further than
// code could.
RunSpec SpecFor(const FileRequest& file, int64_t memory_bytes, int64_t disk_bytes,
                std::string workspace);

// How a package is installed: by the installer of the image, into the packages' place.
RunSpec SpecFor(const api::InstallRequest& install, int64_t memory_bytes, int64_t disk_bytes,
                std::string workspace);

enum class StatusKind : int32_t {
  kInit,     // value: pid of the namespace's init, as the runner sees it
  kStarted,  // the code's interpreter runs
  kRefused,  // value: errno; text: which step
  kExited,   // value: wait status of the code's first process
};

// Written whole (it is smaller than PIPE_BUF).
struct StatusRecord {
  StatusKind kind = StatusKind::kInit;
  int32_t value = 0;
  char text[120] = {};
};

}  // namespace sandgate::runner
