// Cuts a stream of bytes into lines.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "libs/base/status.h"

namespace sandgate::rest {

inline constexpr size_t kMaxLineBytes = 8 * 1024 * 1024;

class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line_bytes = kMaxLineBytes) : max_line_bytes_(max_line_bytes) {}

  // Calls `on_line` for every line that `bytes` completes, without its newline; empty lines are
  // left out. *open is false when `on_line` returned false (no more lines are given then).
  // kResourceExhausted: a line is longer than the limit.
  base::Status Feed(std::string_view bytes, const std::function<bool(std::string_view)>& on_line,
                    bool* open);

 private:
  size_t max_line_bytes_;
  std::string partial_;
};

}  // namespace sandgate::rest
