// Bytes to one request: pure, so that every hostile input is a line in a table.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "libs/http/message.h"

namespace sandgate::http {

struct RequestLimits {
  size_t header_bytes = 16 * 1024;  // request line and headers
  size_t body_bytes = 1024 * 1024;
};

// Reads one request; make a new one for the next. Not thread-safe.
class RequestReader {
 public:
  enum class State { kHead, kBody, kDone, kRefused };

  struct Refusal {
    unsigned status = 0;
    std::string code;
    std::string message;
  };

  explicit RequestReader(RequestLimits limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Looks at what has come and is not consumed yet; returns how much of it is consumed now. What
  // is not consumed must stand at the front of the next call's bytes.
  size_t Feed(std::string_view bytes);

  State state() const;
  bool started() const;         // a first byte of the request has come
  bool wants_continue() const;  // state kBody, and the client waits for "100 Continue"
  // Known once the head is: state kBody or kDone.
  bool keep_alive() const;         // what the client asked for
  bool http11() const;             // false: HTTP/1.0, which knows no chunks
  const Refusal& refusal() const;  // state kRefused
  Request Take();                  // state kDone, once

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::http
