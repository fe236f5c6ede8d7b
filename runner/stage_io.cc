#include "runner/stage_io.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sandgate::runner {

bool Send(int fd, const StatusRecord& record) {
  ssize_t written = 0;
  do {
    written = write(fd, &record, sizeof record);
  } while (written < 0 && errno == EINTR);
  return written == sizeof record;
}

int Refuse(int fd, const char* step) {
  StatusRecord record;
  record.kind = StatusKind::kRefused;
  record.value = errno;
  std::strncpy(record.text, step, sizeof record.text - 1);
  Send(fd, record);
  return 1;
}

std::optional<std::string> ReadWhole(int fd) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return std::nullopt;
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    done += static_cast<size_t>(got);
  }
  return text;
}

bool WriteWhole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    text.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

}  // namespace sandgate::runner
