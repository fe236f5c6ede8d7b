#include "runner/output_buffer.h"

#include <algorithm>
#include <utility>

#include "libs/api/runner_protocol.h"

namespace sandgate::runner {

void OutputBuffer::Append(std::string_view bytes) {
  const size_t room = limit_ - bytes_.size();
  bytes_.append(bytes.substr(0, std::min(room, bytes.size())));
  if (bytes.size() > room) truncated_ = true;
}

std::string OutputBuffer::Take() {
  if (truncated_) bytes_.append("\n").append(api::kTruncationMark);
  return std::exchange(bytes_, {});
}

}  // namespace sandgate::runner
