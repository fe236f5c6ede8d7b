#include "runner/root_files.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "libs/base/fd.h"
#include "runner/stage_io.h"

namespace sandgate::runner {

bool Bind(const std::string& source, const std::string& target) {
  return mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0;
}

bool MakeDirectory(const std::string& path) {
  return mkdir(path.c_str(), 0755) == 0;
}

bool MakeFile(const std::string& path, std::string_view text, mode_t mode) {
  const base::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  return fd.valid() && WriteWhole(fd.get(), text);
}

}  // namespace sandgate::runner
