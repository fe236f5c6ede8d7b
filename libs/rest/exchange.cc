#include "libs/rest/exchange.h"

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>

#include <charconv>
#include <exception>
#include <utility>

#include "libs/rest/exchange_state.h"

namespace sandgate::rest {
namespace {

namespace http = web::http;
using base::Code;
using base::Status;
using Clock = std::chrono::steady_clock;
using StatePtr = std::shared_ptr<ExchangeState>;

// A backstop behind our own deadlines: the library's timeout restarts with every chunk.
constexpr std::chrono::hours kLibraryTimeout{2};
constexpr std::chrono::seconds kMaxRetryAfter{3600};

// Where the library writes a body: bounded, and able to make it wait. It never closes: the library
// would take a closed buffer's "0 bytes written" for progress.
class BodySink final : public concurrency::streams::details::streambuf_state_manager<uint8_t> {
 public:
  explicit BodySink(StatePtr state)
      : streambuf_state_manager<uint8_t>(std::ios_base::out), state_(std::move(state)) {}

 protected:
  pplx::task<size_t> _putn(const uint8_t* data, size_t count) override {
    const pplx::task_completion_event<size_t> room;
    const auto put = state_->PutBody(reinterpret_cast<const char*>(data), count,
                                     [room, count] { room.set(count); });
    switch (put) {
      case ExchangeState::Put::kTaken:
        return pplx::task_from_result(count);
      case ExchangeState::Put::kTakenButFull:
        return pplx::create_task(room);
      case ExchangeState::Put::kRefused:
        break;
    }
    return pplx::task_from_exception<size_t>(std::runtime_error("nobody takes the body"));
  }
  pplx::task<int_type> _putc(uint8_t byte) override {
    return _putn(&byte, 1).then([byte](size_t) { return static_cast<int_type>(byte); });
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }

  // A write-only buffer has none of these.
  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(size_t, std::ios_base::openmode) override {}
  size_t in_avail() const override { return 0; }
  utility::size64_t size() const override { return 0; }
  bool acquire(uint8_t*&, size_t&) override { return false; }
  void release(uint8_t*, size_t) override {}
  pos_type getpos(std::ios_base::openmode) const override { return traits::eof(); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return traits::eof(); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return traits::eof();
  }
  uint8_t* _alloc(size_t) override { return nullptr; }
  void _commit(size_t) override {}
  pplx::task<size_t> _getn(uint8_t*, size_t) override { return pplx::task_from_result<size_t>(0); }
  size_t _scopy(uint8_t*, size_t) override { return 0; }
  pplx::task<int_type> _bumpc() override { return Eof(); }
  pplx::task<int_type> _getc() override { return Eof(); }
  pplx::task<int_type> _nextc() override { return Eof(); }
  pplx::task<int_type> _ungetc() override { return Eof(); }
  int_type _sbumpc() override { return traits::eof(); }
  int_type _sgetc() override { return traits::eof(); }

 private:
  static pplx::task<int_type> Eof() { return pplx::task_from_result<int_type>(traits::eof()); }

  StatePtr state_;
};

// The library tells phases apart by its message alone. These are the ones in which not all of the
// request has left this machine, so that the server cannot have carried it out.
bool NeverSent(std::string_view message) {
  for (const std::string_view phase :
       {"Error resolving address", "Failed to resolve address", "Failed to connect",
        "Error in SSL handshake", "Failed to write request headers"}) {
    if (message.find(phase) != std::string_view::npos) return true;
  }
  return false;
}

Status FailureOf(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    // Never the request: there is a token in it.
    const std::string message = error.what();
    return Status(NeverSent(message) ? Code::kUnavailable : Code::kInternal, message);
  } catch (...) {
    return Status(Code::kInternal, "the HTTP library threw something unknown");
  }
}

std::chrono::seconds RetryAfter(const http::http_response& response) {
  const auto found = response.headers().find("Retry-After");
  if (found == response.headers().end()) return std::chrono::seconds(0);
  int64_t seconds = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) seconds = 0;
  return std::min(std::chrono::seconds(seconds), std::chrono::seconds(kMaxRetryAfter));
}

class CppRestExchange final : public Exchange {
 public:
  explicit CppRestExchange(StatePtr state) : state_(std::move(state)) {}
  ~CppRestExchange() override {
    state_->Abandon();
    // Closes the connection unless the exchange is over; what is left of it ends by itself.
    if (!over()) cancel_.cancel();
  }

  void Run(http::client::http_client& client, const http::http_request& request) {
    const StatePtr state = state_;
    client.request(request, cancel_.get_token())
        .then([state](const http::http_response& response) {
          state->SetHead(response.status_code(), RetryAfter(response));
          return response.content_ready();
        })
        // Every exception of the chain ends here: one that nobody looks at ends the process.
        .then([state](const pplx::task<http::http_response>& whole) {
          try {
            whole.get();
            state->Finish(Status::Ok());
          } catch (...) {
            state->Finish(FailureOf(std::current_exception()));
          }
        });
  }

  Wake WaitForHead(Clock::time_point deadline, const std::stop_token& stop) override {
    return state_->Wait(deadline, stop, [](const auto& s) { return s.status() != 0 || s.over(); });
  }
  Wake WaitForEnd(Clock::time_point deadline, const std::stop_token& stop) override {
    return state_->Wait(deadline, stop, [](const auto& s) { return s.over(); });
  }
  Wake WaitForBody(Clock::time_point deadline, const std::stop_token& stop) override {
    return state_->Wait(deadline, stop, [](const auto& s) { return s.has_body() || s.over(); });
  }
  unsigned status() const override {
    return state_->Locked([](const auto& s) { return s.status(); });
  }
  std::chrono::seconds retry_after() const override {
    return state_->Locked([](const auto& s) { return s.retry_after(); });
  }
  bool over() const override {
    return state_->Locked([](const auto& s) { return s.over(); });
  }
  Status failure() const override {
    return state_->Locked([](const auto& s) { return s.failure(); });
  }
  std::string Take() override { return state_->TakeBody(); }

 private:
  StatePtr state_;
  pplx::cancellation_token_source cancel_;
};

http::client::http_client_config ClientConfig(std::shared_ptr<const TlsIdentity> identity) {
  http::client::http_client_config config;
  config.set_timeout(kLibraryTimeout);
  config.set_max_redirects(0);  // it would follow them with the Authorization header
  config.set_proxy(web::web_proxy(web::web_proxy::disabled));
  config.set_validate_certificates(true);
  if (identity) {
    config.set_ssl_context_callback([identity](boost::asio::ssl::context& context) {
      // The library reports what is thrown here as the request's failure.
      if (!identity->ApplyTo(context.native_handle())) {
        throw std::runtime_error("Error in SSL handshake: the context cannot be set up");
      }
    });
  }
  return config;
}

// What starts first ends last: the library's threads still use OpenSSL when the process exits.
void OpenSslFirst() {
  OPENSSL_init_ssl(0, nullptr);
}

class CppRestConnections final : public Connections {
 public:
  CppRestConnections(const std::string& base_url, std::shared_ptr<const TlsIdentity> identity)
      : client_(web::uri(base_url), ClientConfig(std::move(identity))) {}

  std::unique_ptr<Exchange> Start(const Request& request, const std::string& token,
                                  size_t max_bytes, bool hold_back) override {
    const auto state = std::make_shared<ExchangeState>(max_bytes, hold_back);
    auto exchange = std::make_unique<CppRestExchange>(state);
    try {
      http::http_request message(request.method);
      message.set_request_uri(web::uri(request.path));
      message.headers().add("Accept", "application/json");
      message.headers().add("User-Agent", "sandgate/" SANDGATE_VERSION);
      if (!token.empty()) message.headers().add("Authorization", "Bearer " + token);
      if (!request.content_type.empty()) message.set_body(request.body, request.content_type);
      message.set_response_stream(
          concurrency::streams::streambuf<uint8_t>(std::make_shared<BodySink>(state))
              .create_ostream());
      exchange->Run(client_, message);
    } catch (const std::exception& error) {
      state->Finish(Status(Code::kInvalidArgument, std::string("bad request: ") + error.what()));
    }
    return exchange;
  }

 private:
  http::client::http_client client_;
};

}  // namespace

base::Result<std::unique_ptr<Connections>> Connections::Create(
    const std::string& base_url, std::shared_ptr<const TlsIdentity> identity) {
  OpenSslFirst();
  try {
    return {std::make_unique<CppRestConnections>(base_url, std::move(identity))};
  } catch (const std::exception& error) {
    return Status(Code::kInvalidArgument, std::string("the API server's URL: ") + error.what());
  }
}

void Initialize(int threads) {
  OpenSslFirst();
  try {
    crossplat::threadpool::initialize_with_threads(static_cast<size_t>(threads));
  } catch (const std::exception&) {
    // Started already, by a first request: its size stays.
  }
}

}  // namespace sandgate::rest

#if defined(__SANITIZE_THREAD__)
// Debian's cpprest library is not built with the sanitizer: it sees the memory that the library's
// reference counts protect, and not the counts. What is ours in this file is tested without the
// library (ExchangeState).
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:pplx::\nrace:Concurrency::streams::\nrace:web::\nrace:libcpprest.so\n";
}
#endif
