// The authorities that runs with network trust beside those of their image: a file that may change.
#pragma once

#include <mutex>
#include <string>

namespace sandgate::op {

// Every networked run's request carries it, beside code of 256 KiB.
inline constexpr size_t kMaxCaBundleFileBytes = 256 * 1024;

// Thread-safe.
class CaBundle {
 public:
  // "": there is none.
  explicit CaBundle(std::string path) : path_(std::move(path)) {}

  // The certificates of the file as it is now, in PEM, and nothing else that stands in it; "" when
  // there is no such file. Of a file that cannot be used the last good content stays, and the log
  // says once what is wrong. Blocks for one small read.
  std::string Get();

 private:
  const std::string path_;
  std::mutex mutex_;
  std::string good_;     // guarded by mutex_
  std::string problem_;  // what was said last; guarded by mutex_
};

}  // namespace sandgate::op
