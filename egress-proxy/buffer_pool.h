// Buffers of a thread's connections: an idle connection holds none. One thread.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "egress-proxy/limits.h"

namespace sandgate::egress {

class BufferPool {
 public:
  using Buffer = std::unique_ptr<char[]>;

  Buffer Take() {
    if (free_.empty()) return Buffer(new char[kSpliceBytes]);
    Buffer buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
  }
  void Give(Buffer buffer) {
    if (free_.size() < kKept) free_.push_back(std::move(buffer));
  }

 private:
  static constexpr size_t kKept = 32;
  std::vector<Buffer> free_;
};

}  // namespace sandgate::egress
