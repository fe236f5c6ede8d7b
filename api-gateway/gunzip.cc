#include "api-gateway/gunzip.h"

#include <zlib.h>

namespace sandgate::gateway {

std::optional<std::string> Gunzip(std::string_view packed, size_t size) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return std::nullopt;
  // One byte more than wanted: a stream that is too long is seen, not cut.
  std::string text(size + 1, '\0');
  std::string input(packed);
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_in == 0 && stream.total_out == size;
  inflateEnd(&stream);
  if (!whole) return std::nullopt;
  text.resize(size);
  return text;
}

}  // namespace sandgate::gateway
