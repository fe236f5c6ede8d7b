// The audit log as it is written: every record to a stream (stdout), and to a file if there is one.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "libs/audit/record.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace sandgate::audit {

// Where records go. Thread-safe.
class Sink {
 public:
  virtual ~Sink() = default;

  // Ok: the line stands where it must, and is on the disk if the record is durable. Anything else:
  // the caller does nothing that must not happen without its line.
  virtual base::Status Append(const Record& record) = 0;
  // Why a record would not get through now, or ok. May try to mend it; cheap when all is well.
  virtual base::Status Health() = 0;
};

struct LogOptions {
  std::string path;                        // of the file; "": the stream alone counts
  int stream = 1;                          // a descriptor, kept open by the caller; -1: none
  api::Json fields = api::Json::object();  // of chain.start, chain.resume and chain.torn
};

// How far back Open looks for the last record, and how much damage it takes.
inline constexpr size_t kTailBytes = 1024 * 1024;
inline constexpr std::chrono::seconds kMendInterval{1};

// One write(2) a line, to the file first. With a file, its failures are Append's and those of the
// stream are only counted; without one, those of the stream are. Nothing is ever taken out of the
// file: what a failed write or a crash left is closed by a newline and reported by a record.
class Log final : public Sink {
 public:
  explicit Log(LogOptions options, const base::Clock& clock = base::RealClock());
  ~Log() override;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Opens the file (made with mode 0600; kPermissionDenied: not a regular file, or a symbolic link;
  // kUnavailable: another process writes it, or it cannot be had now; kInvalidArgument: its end is
  // no audit log's), goes on with its chain, or begins one. Until it succeeds Append fails.
  base::Status Open();

  base::Status Append(const Record& record) override;
  base::Status Health() override;

  // Records that did not get through, ever; and lines the stream did not take.
  int64_t failures();
  int64_t stream_failures();
  Position position();

 private:
  base::Status OpenFile();
  base::Status GoOnLocked();
  base::Status MendLocked();
  base::Status WriteLocked(const Record& record, bool close_line);
  base::Status WriteFile(const std::string& bytes, bool durable);
  bool WriteStream(std::string_view bytes);

  const LogOptions options_;
  const base::Clock& clock_;
  std::mutex mutex_;
  // All below: guarded by mutex_.
  int file_ = -1;
  bool opened_ = false;
  Position last_;
  base::Status broken_;
  base::MonotonicTime mend_at_;
  int64_t failures_ = 0, stream_failures_ = 0;
};

}  // namespace sandgate::audit
