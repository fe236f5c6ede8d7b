#include "libs/rest/line_splitter.h"

namespace sandgate::rest {

base::Status LineSplitter::Feed(std::string_view bytes,
                                const std::function<bool(std::string_view)>& on_line, bool* open) {
  *open = true;
  const base::Status too_long(base::Code::kResourceExhausted, "a line of the stream is too long");
  while (*open) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > max_line_bytes_) return too_long;
    if (end == std::string_view::npos) {
      partial_.append(piece);
      return base::Status::Ok();
    }
    if (partial_.empty()) {
      if (!piece.empty()) *open = on_line(piece);
    } else {
      partial_.append(piece);
      *open = on_line(partial_);
      partial_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  return base::Status::Ok();
}

}  // namespace sandgate::rest
