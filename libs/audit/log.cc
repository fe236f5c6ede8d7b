#include "libs/audit/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libs/audit/tail.h"
#include "libs/base/ids.h"

namespace sandgate::audit {
namespace {

using base::Code;
using base::Status;

constexpr mode_t kMode = 0600;
constexpr size_t kChainBytes = 16;

Status Failure(const std::string& what, int error) {
  return Status(Code::kUnavailable, what + ": " + std::strerror(error));
}

// The file's last bytes.
base::Result<std::string> ReadEnd(int file, size_t size) {
  std::string end(std::min(size, kTailBytes), '\0');
  size_t done = 0;
  while (done < end.size()) {
    const auto at = static_cast<off_t>(size - end.size() + done);
    const ssize_t got = ::pread(file, end.data() + done, end.size() - done, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failure("reading the audit file", errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  end.resize(done);
  return end;
}

}  // namespace

Log::Log(LogOptions options, const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      broken_(Code::kUnavailable, "the audit log is not open yet") {}

Log::~Log() {
  if (file_ >= 0) ::close(file_);
}

Status Log::OpenFile() {
  if (options_.path.empty() || file_ >= 0) return Status::Ok();
  const int file = ::open(options_.path.c_str(),
                          O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, kMode);
  if (file < 0) {
    const Status failed = Failure("opening " + options_.path, errno);
    return errno == ELOOP ? Status(Code::kPermissionDenied, failed.message()) : failed;
  }
  struct stat about = {};
  if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    ::close(file);
    return Status(Code::kPermissionDenied, options_.path + " is not a regular file");
  }
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    ::close(file);
    return Status(Code::kUnavailable, options_.path + ": another process writes it");
  }
  file_ = file;
  return Status::Ok();
}

Status Log::Open() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (opened_) return Status::Ok();
  Status status = OpenFile();
  if (status.ok()) status = GoOnLocked();
  opened_ = status.ok();
  if (!status.ok()) broken_ = status;
  return status;
}

// After a start, and after a write that failed: looks where the file really ends.
Status Log::GoOnLocked() {
  Tail tail;
  if (file_ >= 0) {
    struct stat about = {};
    if (::fstat(file_, &about) != 0) return Failure("the audit file", errno);
    auto end = ReadEnd(file_, static_cast<size_t>(about.st_size));
    if (!end.ok()) return end.status();
    tail = ReadTail(*end);
    if (!tail.last && end->size() > 2 * kMaxLineBytes) {
      return Status(Code::kInvalidArgument, options_.path + ": its end is not an audit log's");
    }
  } else if (last_.seq > 0) {
    tail.last = last_;
  }
  last_ = tail.last ? *tail.last : Position{base::RandomHex(kChainBytes)};
  return WriteLocked(GoOn(tail, options_.fields), !tail.closed);
}

Status Log::WriteLocked(const Record& record, bool close_line) {
  const std::string line = FormatLine(last_, record, clock_.Now());
  Status status;
  if (file_ >= 0) status = WriteFile((close_line ? "\n" : "") + line + "\n", record.durable);
  if (status.ok() && options_.stream >= 0 && !WriteStream(line + "\n")) {
    ++stream_failures_;
    if (file_ < 0) status = Failure("writing the audit log to the standard output", errno);
  }
  broken_ = status;
  if (!status.ok()) {
    ++failures_;
    mend_at_ = clock_.MonotonicNow() + kMendInterval;
    return status;
  }
  const auto written = ParseLine(line);
  last_ = written.ok() ? written->position : last_;
  return status;
}

Status Log::WriteFile(const std::string& bytes, bool durable) {
  ssize_t written = -1;
  do {
    written = ::write(file_, bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return Failure("writing the audit file", errno);
  if (static_cast<size_t>(written) < bytes.size()) {
    return Status(Code::kUnavailable, "writing the audit file: only a part of a line was taken");
  }
  if (durable && ::fdatasync(file_) != 0) return Failure("syncing the audit file", errno);
  return Status::Ok();
}

bool Log::WriteStream(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(options_.stream, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

Status Log::Append(const Record& record) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!opened_) {
    ++failures_;
    return broken_;
  }
  if (const Status mended = MendLocked(); !mended.ok()) {
    ++failures_;
    return mended;
  }
  return WriteLocked(record, false);
}

Status Log::Health() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return opened_ ? MendLocked() : broken_;
}

Status Log::MendLocked() {
  if (broken_.ok() || clock_.MonotonicNow() < mend_at_) return broken_;
  broken_ = GoOnLocked();
  if (!broken_.ok()) mend_at_ = clock_.MonotonicNow() + kMendInterval;
  return broken_;
}

int64_t Log::failures() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failures_;
}

int64_t Log::stream_failures() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stream_failures_;
}

Position Log::position() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_;
}

}  // namespace sandgate::audit
