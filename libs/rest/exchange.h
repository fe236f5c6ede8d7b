// One HTTP exchange in flight. The door to cpprestsdk: nothing of it shows here.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "libs/base/status.h"
#include "libs/rest/client.h"
#include "libs/rest/tls_identity.h"

namespace sandgate::rest {

class Exchange;

// A pool of kept connections to one server with one identity. Thread-safe.
class Connections {
 public:
  // `identity` null: plain http, for loopback in tests. kInvalidArgument: not a URL.
  static base::Result<std::unique_ptr<Connections>> Create(
      const std::string& base_url, std::shared_ptr<const TlsIdentity> identity);
  virtual ~Connections() = default;

  // Starts `request` with `token` ("" = none). `max_bytes` bounds the body held at any time: with
  // `hold_back` a full buffer stops the reading until Take makes room, without it the exchange
  // fails with kResourceExhausted.
  virtual std::unique_ptr<Exchange> Start(const Request& request, const std::string& token,
                                          size_t max_bytes, bool hold_back) = 0;
};

// The destructor cancels what still runs and does not wait for it. For one thread.
class Exchange {
 public:
  enum class Wake { kProgress, kDeadline, kStopped };

  virtual ~Exchange() = default;

  // Blocks until the status line is there or the exchange has failed.
  virtual Wake WaitForHead(std::chrono::steady_clock::time_point deadline,
                           const std::stop_token& stop) = 0;
  // Blocks until the whole answer is there or the exchange has failed.
  virtual Wake WaitForEnd(std::chrono::steady_clock::time_point deadline,
                          const std::stop_token& stop) = 0;
  // Blocks until some of the body is there or the exchange is over.
  virtual Wake WaitForBody(std::chrono::steady_clock::time_point deadline,
                           const std::stop_token& stop) = 0;

  // 0 while there is no status line.
  virtual unsigned status() const = 0;
  virtual std::chrono::seconds retry_after() const = 0;
  // The body that has come since the last call.
  virtual std::string Take() = 0;
  virtual bool over() const = 0;
  // Ok unless the exchange is over and failed; codes as Transport::Do.
  virtual base::Status failure() const = 0;
};

}  // namespace sandgate::rest
