// Buffers of a thread's connections: an idle connection holds none. One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace sandgate::tunnel {

class BufferPool {
 public:
  using Buffer = std::unique_ptr<char[]>;

  // `kept`: how many are held for the next who needs one.
  BufferPool(size_t buffer_bytes, size_t kept) : buffer_bytes_(buffer_bytes), kept_(kept) {}

  size_t buffer_bytes() const { return buffer_bytes_; }
  Buffer Take() {
    if (free_.empty()) return Buffer(new char[buffer_bytes_]);
    Buffer buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
  }
  void Give(Buffer buffer) {
    if (free_.size() < kept_) free_.push_back(std::move(buffer));
  }

 private:
  const size_t buffer_bytes_;
  const size_t kept_;
  std::vector<Buffer> free_;
};

}  // namespace sandgate::tunnel
