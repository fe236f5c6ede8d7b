// One output stream of a run: what is kept, however much is written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sandgate::runner {

// Keeps the first `limit` bytes and counts nothing more than that there were others. Its memory is
// bounded by the limit, so the reader can go on draining a pipe that never ends. Not thread-safe.
class OutputBuffer {
 public:
  explicit OutputBuffer(size_t limit) : limit_(limit) {}

  void Append(std::string_view bytes);

  bool truncated() const { return truncated_; }
  size_t size() const { return bytes_.size(); }

  // The bytes as written; after a cut, exactly `limit` of them and then kTruncationMark on a line
  // of its own. The buffer is empty afterwards.
  std::string Take();

 private:
  size_t limit_;
  std::string bytes_;
  bool truncated_ = false;
};

}  // namespace sandgate::runner
