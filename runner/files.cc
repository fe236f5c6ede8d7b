#include "runner/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "libs/base/fd.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

base::Status Failed(const std::string& path) {
  const base::Code code = errno == ENOENT ? base::Code::kNotFound : base::Code::kInternal;
  return base::Status(code, path + ": " + std::strerror(errno));
}

}  // namespace

base::Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  const base::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Failed(path);
  std::string text;
  char bytes[64 * 1024];
  for (;;) {
    const ssize_t got = read(file.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed(path);
    if (got == 0) return text;
    text.append(bytes, static_cast<size_t>(got));
    if (text.size() > max_bytes) {
      return base::Status(base::Code::kResourceExhausted,
                          path + ": longer than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

base::Status WriteFileAtomically(const std::string& path, std::string_view text, mode_t mode) {
  const std::string draft = path + ".new";
  if (unlink(draft.c_str()) != 0 && errno != ENOENT) return Failed(draft);
  const base::Fd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file.valid() || !WriteWhole(file.get(), text)) return Failed(draft);
  if (fchmod(file.get(), mode) != 0) return Failed(draft);
  if (rename(draft.c_str(), path.c_str()) != 0) return Failed(path);
  return base::Status::Ok();
}

}  // namespace sandgate::runner
