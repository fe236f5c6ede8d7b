// Bytes to one response: pure, as request_reader.h is for requests.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "libs/http/message.h"

namespace sandgate::http {

// Reads the answer to one request. Not thread-safe.
class ResponseReader {
 public:
  static constexpr size_t kMaxHeadBytes = 32 * 1024;  // status line and headers
  static constexpr int kMaxInterim = 8;               // 1xx answers before the real one

  enum class State { kReading, kDone, kFailed };

  // `to_head`: the request was a HEAD, so no body follows whatever the headers say.
  ResponseReader(bool to_head, size_t max_body_bytes);
  ~ResponseReader();
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  // As RequestReader::Feed.
  size_t Feed(std::string_view bytes);
  // The peer closed in good order: the end of a body without a length, or a failure.
  void End();

  State state() const;
  const std::string& failure() const;  // state kFailed
  bool keep_alive() const;             // state kDone
  Response Take();                     // state kDone, once

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::http
