// A client for somebody else's server: verified by its host name against public or configured
// authorities, as a browser does. Each call has a connection of its own; nothing is kept, no
// redirect is followed, no cookie or credential is remembered, and no proxy variable is read.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/status.h"
#include "libs/http/message.h"
#include "libs/http/web_url.h"

namespace sandgate::http {

struct WebCallOptions {
  std::chrono::milliseconds deadline{5'000};  // for the whole call, resolving included
  size_t max_response_bytes = 64 * 1024;      // of the body; more is kInternal
};

// Thread-safe. One thread of its own; a call never holds it.
class WebClient {
 public:
  // Beyond these a name's further addresses are not tried.
  static constexpr size_t kMaxAddresses = 4;
  static constexpr size_t kMaxCalls = 64;

  // `ca_pem`: the only authorities trusted; "": the system's. kInvalidArgument if it is no good.
  static base::Result<std::unique_ptr<WebClient>> Create(const std::string& ca_pem);
  // Open calls end with kCancelled before it returns. Never from a callback. A name that is being
  // resolved is waited for (the C library cannot be interrupted): seconds at most by its own limit.
  virtual ~WebClient() = default;

  using Callback = std::function<void(base::Result<Response>)>;
  // Sends `request` to the URL (its target is the URL's) and calls back exactly once, on the
  // client's thread. Any HTTP status is an ok Result, 3xx too. Failures: kInvalidArgument,
  // kResourceExhausted (kMaxCalls are open), kUnavailable (unresolvable, unreachable, or the
  // deadline passed before anything was sent) and kUnauthenticated (the certificate is not that
  // host's): never sent. kDeadlineExceeded, kInternal and kCancelled: MAY have had their effect.
  // No message holds the URL's target.
  virtual void Call(const WebUrl& url, Request request, WebCallOptions options,
                    Callback callback) = 0;
};

}  // namespace sandgate::http
