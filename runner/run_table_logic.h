// Which runs there are, which is next, and what is kept. Pure: no clock, no I/O, no lock.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>

#include "libs/api/runner_protocol.h"

namespace sandgate::runner {

struct RunTableLimits {
  size_t queued = 16;                     // waiting behind the one that runs
  int64_t kept_bytes = 64 * 1024 * 1024;  // code and output of all runs that are known
  size_t known_ids = 65'536;              // runs of one sandbox's life
  size_t id_bytes = 128;
};

enum class PostAnswer {
  kCreated,
  kKnown,      // nothing was started again
  kDeleted,    // it ran, and its result was deleted: it never runs again
  kWrongBoot,  // the claim is for another life of this runner
  kBadId,
  kQueueFull,
  kResultsFull,  // results wait to be deleted, or this one alone is above the limit
  kWornOut,      // this sandbox has had all the runs it may have
};

enum class CancelAnswer { kUnknown, kFinished, kWasQueued, kRunning };
enum class DeleteAnswer { kUnknown, kDeleted, kNotFinished };

// At most one run is running; the others wait in the order in which they came. A run id runs at
// most once in the table's life (I2), even after its result was deleted.
class RunTable {
 public:
  RunTable(std::string boot_id, RunTableLimits limits)
      : boot_id_(std::move(boot_id)), limits_(limits) {}

  PostAnswer Post(const std::string& run_id, api::RunRequest request);

  struct Started {
    std::string run_id;
    api::RunRequest request;
  };
  // The next run to start, which is then the running one. None while one runs or none waits.
  std::optional<Started> TakeNext();
  // The running run ended with `state` (its run_id is set here).
  void Finish(const std::string& run_id, api::RunState state);

  // A queued run ends at once with kCancelled; for the running one the caller sees to its end.
  CancelAnswer Cancel(const std::string& run_id);
  DeleteAnswer Delete(const std::string& run_id);

  // Null when it is unknown or was deleted. Valid until the next change of the table.
  const api::RunState* Find(const std::string& run_id) const;

  const std::string& boot_id() const { return boot_id_; }
  bool running() const { return running_.has_value(); }
  size_t queued() const { return queue_.size(); }

 private:
  struct Run {
    api::RunRequest request;  // without its code once it was taken
    api::RunState state;
    int64_t reserved_bytes = 0;
  };

  std::string boot_id_;
  RunTableLimits limits_;
  std::map<std::string, Run> runs_;
  std::deque<std::string> queue_;
  std::optional<std::string> running_;
  std::unordered_set<std::string> known_;  // every id there ever was
  int64_t kept_bytes_ = 0;
};

}  // namespace sandgate::runner
