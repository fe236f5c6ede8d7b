#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "libs/rest/client.h"
#include "libs/rest/exchange.h"
#include "libs/rest/line_splitter.h"
#include "libs/rest/tls_identity.h"
#include "libs/rest/token_source.h"

namespace sandgate::rest {
namespace {

using base::Code;
using base::Result;
using base::Status;
using Clock = std::chrono::steady_clock;

constexpr size_t kMaxPathBytes = 16 * 1024;
constexpr size_t kStreamBufferBytes = 256 * 1024;  // then the server has to wait for us

// How many calls are on their way. Thread-safe.
class Slots {
 public:
  explicit Slots(int free) : free_(free) {}

  // False when none became free in time.
  bool Acquire(Clock::time_point deadline, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_until(lock, stop, deadline, [this] { return free_ > 0; })) return false;
    --free_;
    return true;
  }
  void Release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++free_;
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any freed_;
  int free_;  // guarded by mutex_
};

class Slot {
 public:
  explicit Slot(Slots* slots) : slots_(slots) {}
  ~Slot() { slots_->Release(); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  Slots* slots_;
};

// Nothing that a caller gives may end its line of the request.
Status Check(const Request& request) {
  const bool method =
      !request.method.empty() && std::all_of(request.method.begin(), request.method.end(),
                                             [](char c) { return c >= 'A' && c <= 'Z'; });
  const bool path = request.path.starts_with('/') && !request.path.starts_with("//") &&
                    request.path.size() <= kMaxPathBytes &&
                    std::all_of(request.path.begin(), request.path.end(),
                                [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
  if (!method || !path) return Status(Code::kInvalidArgument, "not a valid method or path");
  if (!IsHeaderSafeToken(request.bearer_token)) {
    return Status(Code::kInvalidArgument, "the bearer token has characters that no token has");
  }
  return Status::Ok();
}

bool All(std::string_view text, bool (*good)(char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), good);
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsHostCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-';
}

// A name or an IPv4 address, maybe a port, maybe a path. The library takes much more than that, and
// what it does with an IPv6 address in brackets does not connect.
bool IsBaseUrl(std::string_view url, std::string_view scheme) {
  if (!url.starts_with(scheme)) return false;
  url.remove_prefix(scheme.size());
  const std::string_view authority = url.substr(0, url.find('/'));
  const std::string_view path = url.substr(authority.size());
  const size_t colon = authority.find(':');
  if (!All(authority.substr(0, colon), IsHostCharacter)) return false;
  if (colon != std::string_view::npos && !All(authority.substr(colon + 1), IsDigit)) return false;
  return path.empty() ||
         All(path, [](char c) { return IsHostCharacter(c) || c == '/' || c == '_'; });
}

Status Stopped() {
  return Status(Code::kCancelled, "the call was stopped");
}
Status Late(const char* what) {
  return Status(Code::kDeadlineExceeded, what);
}

class HttpTransport final : public Transport {
 public:
  HttpTransport(std::unique_ptr<Connections> own, std::unique_ptr<Connections> callers,
                const Config& config)
      : own_(std::move(own)),
        callers_(std::move(callers)),
        token_(config.token, config.token_file),
        slots_(config.max_parallel) {}

  Result<Response> Do(const Request& request) override {
    if (Status status = Check(request); !status.ok()) return status;
    const Clock::time_point deadline = Clock::now() + request.deadline;
    if (!slots_.Acquire(deadline, request.stop)) {
      if (request.stop.stop_requested()) return Stopped();
      return Status(Code::kUnavailable, "too many calls to the API server are on their way");
    }
    const Slot slot(&slots_);
    auto token = TokenFor(request);
    if (!token.ok()) return token.status();
    Result<Response> response = Once(request, *token, deadline);
    // A 401 was not carried out, so it is safe to repeat with a token that is really another.
    if (response.ok() && response->status == 401 && request.bearer_token.empty() &&
        token_.Refresh(*token)) {
      token = token_.Get();
      if (token.ok()) response = Once(request, *token, deadline);
    }
    return response;
  }

  Status Stream(const Request& request, std::chrono::milliseconds idle, std::stop_token stop,
                const std::function<bool(std::string_view)>& on_line, Response* response) override {
    if (Status status = Check(request); !status.ok()) return status;
    const auto token = TokenFor(request);
    if (!token.ok()) return token.status();
    const auto exchange =
        PoolFor(request).Start(request, *token, kStreamBufferBytes, /*hold_back=*/true);
    switch (exchange->WaitForHead(Clock::now() + request.deadline, stop)) {
      case Exchange::Wake::kProgress:
        break;
      case Exchange::Wake::kDeadline:
        return Late("the API server did not answer in time");
      case Exchange::Wake::kStopped:
        return Stopped();
    }
    response->status = exchange->status();
    response->retry_after = exchange->retry_after();
    if (response->status == 0) return exchange->failure();
    if (response->status == 200) return ReadLines(exchange.get(), idle, stop, on_line);
    if (response->status == 401 && request.bearer_token.empty()) token_.Refresh(*token);
    return ReadBody(exchange.get(), request, stop, &response->body);
  }

 private:
  Result<std::string> TokenFor(const Request& request) {
    return request.bearer_token.empty() ? token_.Get() : Result<std::string>(request.bearer_token);
  }

  // The API server believes a client certificate before it looks at a token. So a caller's token
  // must never travel over a connection that carries our own certificate.
  Connections& PoolFor(const Request& request) {
    return request.bearer_token.empty() || !callers_ ? *own_ : *callers_;
  }

  Result<Response> Once(const Request& request, const std::string& token,
                        Clock::time_point deadline) {
    const auto exchange =
        PoolFor(request).Start(request, token, request.max_response_bytes, /*hold_back=*/false);
    switch (exchange->WaitForEnd(deadline, request.stop)) {
      case Exchange::Wake::kProgress:
        break;
      case Exchange::Wake::kDeadline:
        return Late("the API server did not answer in time");
      case Exchange::Wake::kStopped:
        return Stopped();
    }
    if (Status failure = exchange->failure(); !failure.ok()) return failure;
    return Response{exchange->status(), exchange->Take(), exchange->retry_after()};
  }

  static Status ReadLines(Exchange* exchange, std::chrono::milliseconds idle,
                          const std::stop_token& stop,
                          const std::function<bool(std::string_view)>& on_line) {
    LineSplitter lines;
    while (true) {
      switch (exchange->WaitForBody(Clock::now() + idle, stop)) {
        case Exchange::Wake::kProgress:
          break;
        case Exchange::Wake::kDeadline:
          return Late("the stream was silent for too long");
        case Exchange::Wake::kStopped:
          return Stopped();
      }
      // Asked first: what comes between the two is then taken in the next round.
      const bool over = exchange->over();
      const std::string bytes = exchange->Take();
      bool open = true;
      if (Status status = lines.Feed(bytes, on_line, &open); !status.ok()) return status;
      if (!open) return Status::Ok();
      if (stop.stop_requested()) return Stopped();
      if (over) return exchange->failure();
    }
  }

  static Status ReadBody(Exchange* exchange, const Request& request, const std::stop_token& stop,
                         std::string* body) {
    const Clock::time_point deadline = Clock::now() + request.deadline;
    while (true) {
      const Exchange::Wake wake = exchange->WaitForBody(deadline, stop);
      if (wake == Exchange::Wake::kStopped) return Stopped();
      const bool over = exchange->over();
      *body += exchange->Take();
      // What an error's body says is worth having, not worth failing for.
      if (over || wake == Exchange::Wake::kDeadline || body->size() > request.max_response_bytes) {
        body->resize(std::min(body->size(), request.max_response_bytes));
        return Status::Ok();
      }
    }
  }

  const std::unique_ptr<Connections> own_;
  const std::unique_ptr<Connections> callers_;  // without our certificate; null: own_ has none
  TokenSource token_;
  Slots slots_;
};

}  // namespace

Result<std::unique_ptr<Transport>> CreateTransport(Config config) {
  if (config.max_parallel < 1) {
    return Status(Code::kInvalidArgument, "max_parallel must be at least 1");
  }
  if (!IsHeaderSafeToken(config.token)) {
    return Status(Code::kInvalidArgument, "the token has characters that no token has");
  }
  std::shared_ptr<const TlsIdentity> own;
  std::shared_ptr<const TlsIdentity> callers;
  if (IsBaseUrl(config.base_url, "https://")) {
    auto identity =
        TlsIdentity::Create(config.ca_pem, config.client_certificate_pem, config.client_key_pem);
    if (!identity.ok()) return identity.status();
    own = *std::move(identity);
    if (!config.client_certificate_pem.empty()) {
      auto anonymous = TlsIdentity::Create(config.ca_pem, "", "");
      if (!anonymous.ok()) return anonymous.status();
      callers = *std::move(anonymous);
    }
  } else if (!IsBaseUrl(config.base_url, "http://") ||
             !config.base_url.starts_with("http://127.0.0.1:")) {
    return Status(Code::kInvalidArgument, "the API server's URL must be https://NAME[:PORT]");
  }
  auto own_pool = Connections::Create(config.base_url, std::move(own));
  if (!own_pool.ok()) return own_pool.status();
  std::unique_ptr<Connections> callers_pool;
  if (callers) {
    auto pool = Connections::Create(config.base_url, std::move(callers));
    if (!pool.ok()) return pool.status();
    callers_pool = *std::move(pool);
  }
  return {std::make_unique<HttpTransport>(*std::move(own_pool), std::move(callers_pool), config)};
}

}  // namespace sandgate::rest
