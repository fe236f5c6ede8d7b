// The operator's client for runners: mutual TLS where the *name in the certificate* is checked,
// not the address (pod addresses are reused). Asynchronous; a call never holds a thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/status.h"
#include "libs/http/message.h"
#include "libs/http/tls.h"

namespace sandgate::http {

struct Endpoint {
  std::string address;  // an IP literal; nothing is ever resolved
  uint16_t port = 0;
};

struct ClientOptions {
  TlsIdentity identity;  // presented to every server
  std::string ca_pem;    // the only authority trusted
  int threads = 1;
  size_t max_connections = 4096;  // open at once; one more call fails with kResourceExhausted
  std::chrono::milliseconds idle_timeout{30'000};  // a kept connection
};

struct CallOptions {
  std::string expected_uri;                    // URI SAN that the server must prove; required
  std::chrono::milliseconds deadline{10'000};  // for the whole call, connect included
  size_t max_response_bytes = 4 * 1024 * 1024;
};

// Thread-safe.
class Client {
 public:
  // kInvalidArgument if the TLS material is no good.
  static base::Result<std::unique_ptr<Client>> Create(ClientOptions options);
  // Open calls end with kCancelled before it returns. Never from a callback: it waits for them.
  virtual ~Client() = default;

  using Callback = std::function<void(base::Result<Response>)>;
  // Calls back exactly once, on a client thread. Any HTTP status is an ok Result. Failures:
  // kInvalidArgument, kResourceExhausted (too many connections), kUnavailable (unreachable,
  // refused, or the deadline passed before TLS stood) and kUnauthenticated (TLS said no): never
  // sent. kDeadlineExceeded, kInternal and kCancelled: MAY have had their effect.
  // Redirects are not followed. A kept connection that turns out dead is retried once when
  // nothing of an answer came and the request is a GET, or was not sent.
  virtual void Call(const Endpoint& endpoint, Request request, CallOptions options,
                    Callback callback) = 0;

  // New connections use the new material; running calls finish on the old, idle connections close.
  // kInvalidArgument if it is no good: then nothing changes.
  virtual base::Status ReloadTls(const TlsIdentity& identity, const std::string& ca_pem) = 0;
};

}  // namespace sandgate::http
