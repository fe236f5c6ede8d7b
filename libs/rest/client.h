// HTTP for the Kubernetes API, over cpprestsdk. The only folder that includes cpprest or pplx.
//
// Calls block the calling thread (2 to 4 ms against a near API server): callers own the threads.
// Hardened: redirects off, system CAs replaced by the given CA, TLS >= 1.2, every task awaited,
// own deadlines, bounded response bodies.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "libs/base/status.h"

namespace sandgate::rest {

struct Request {
  std::string method;        // "GET", "POST", "PATCH", "DELETE"
  std::string path;          // with query: "/api/v1/namespaces/x/pods?limit=500"
  std::string content_type;  // of the body; "" when there is none
  std::string body;
  std::string bearer_token;  // "" = the client's own credentials. A secret.
  std::chrono::milliseconds deadline{10'000};
  size_t max_response_bytes = 32 * 1024 * 1024;
  std::stop_token stop;  // requested: Do ends soon with kCancelled
};

struct Response {
  unsigned status = 0;
  std::string body;
  std::chrono::seconds retry_after{0};  // of 429 and 503
};

// The seam for tests: everything above speaks to this. Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;

  // Any HTTP status is an ok Result. kUnavailable: certainly not carried out (not reachable, not
  // proven to be the API server, or no free connection in time). kInvalidArgument: never sent (a
  // method, path or token that could break out of its header line). kDeadlineExceeded, kCancelled,
  // kInternal, kResourceExhausted (the answer is larger than asked for): MAY have been carried out.
  // A kept connection that the server closed meanwhile is replaced and the request sent again, so a
  // create can meet its own first try as AlreadyExists: names are deterministic for that reason.
  virtual base::Result<Response> Do(const Request& request) = 0;

  // Reads a long answer line by line (a watch). `on_line` runs on the calling thread and returns
  // false to end the stream. Ends ok when the server ends it; kDeadlineExceeded when nothing came
  // for `idle`; kCancelled soon after `stop` was requested. A line is at most 8 MiB. When the
  // status is not 200, `response` has status and body and no line is given.
  virtual base::Status Stream(const Request& request, std::chrono::milliseconds idle,
                              std::stop_token stop,
                              const std::function<bool(std::string_view line)>& on_line,
                              Response* response) = 0;
};

// Where the API server is and how to prove who we are.
struct Config {
  std::string base_url;                // "https://10.96.0.1:443"
  std::string ca_pem;                  // the only authority trusted; required for https
  std::string token;                   // or:
  std::string token_file;              // re-read at most once a minute, and after a 401
  std::string client_certificate_pem;  // or both of these
  std::string client_key_pem;
  int max_parallel = 16;  // calls at a time; streams do not count
};

base::Result<std::unique_ptr<Transport>> CreateTransport(Config config);

// Starts cpprestsdk's shared thread pool with `threads` threads. First thing in main.
void Initialize(int threads);

}  // namespace sandgate::rest
