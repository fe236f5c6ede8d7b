#include "libs/http/web_client.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include "libs/base/log.h"
#include "libs/http/client_talk.h"
#include "libs/http/message_format.h"
#include "libs/http/response_reader.h"
#include "libs/http/tls_context.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Result;
using base::Status;
using std::chrono::milliseconds;
using Strand = net::strand<net::io_context::executor_type>;

// One call from its beginning to its end, all on one strand.
class WebCall : public std::enable_shared_from_this<WebCall> {
 public:
  WebCall(Strand strand, std::shared_ptr<TlsContext> context, WebUrl url, milliseconds deadline,
          Outgoing outgoing)
      : strand_(strand),
        context_(std::move(context)),
        url_(std::move(url)),
        outgoing_(std::move(outgoing)),
        until_(std::chrono::steady_clock::now() + deadline),
        resolver_(strand),
        resolving_(strand) {}

  const Strand& strand() const { return strand_; }
  net::awaitable<Result<Response>> Perform();
  void PostCancel() {
    net::post(strand_, [self = shared_from_this()] { self->Cancel(); });
  }

 private:
  milliseconds Left() const {
    const auto left = until_ - std::chrono::steady_clock::now();
    return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(left));
  }
  void Cancel();
  void StartResolving();
  net::awaitable<Status> Resolve();
  net::awaitable<Status> Connect(Tcp::endpoint remote);

  const Strand strand_;
  const std::shared_ptr<TlsContext> context_;
  const WebUrl url_;
  const Outgoing outgoing_;
  const std::chrono::steady_clock::time_point until_;
  Tcp::resolver resolver_;
  net::steady_timer resolving_;  // ends when the answer is there, or the time is up
  bool resolved_ = false;
  error_code resolve_error_;
  std::vector<Tcp::endpoint> addresses_;
  std::shared_ptr<Channel> channel_;
  bool cancelled_ = false;
};

void WebCall::Cancel() {
  cancelled_ = true;
  resolver_.cancel();
  resolving_.cancel();
  if (channel_) channel_->Close();
}

void WebCall::StartResolving() {
  resolving_.expires_at(until_);
  resolver_.async_resolve(
      url_.host, std::to_string(url_.port), Tcp::resolver::numeric_service,
      [self = shared_from_this()](error_code ec, const Tcp::resolver::results_type& found) {
        self->resolved_ = true;
        self->resolve_error_ = ec;
        for (const auto& entry : found) {
          if (self->addresses_.size() < WebClient::kMaxAddresses) {
            self->addresses_.push_back(entry.endpoint());
          }
        }
        self->resolving_.cancel();
      });
}

// getaddrinfo cannot be interrupted, so nobody waits for it: an answer after the deadline finds
// only this object.
net::awaitable<Status> WebCall::Resolve() {
  error_code ec;
  if (url_.is_ip) {
    addresses_.emplace_back(net::ip::make_address(url_.host, ec), url_.port);
    co_return Status::Ok();
  }
  StartResolving();
  while (!resolved_ && !cancelled_ && Left().count() > 0) {
    co_await resolving_.async_wait(net::redirect_error(net::use_awaitable, ec));
  }
  if (!resolved_) co_return Status(Code::kUnavailable, "resolving the host: timed out");
  if (resolve_error_ || addresses_.empty()) {
    co_return Status(Code::kUnavailable, "resolving the host: " + resolve_error_.message());
  }
  co_return Status::Ok();
}

// Connected, and the server is who the URL says: or nothing was sent.
net::awaitable<Status> WebCall::Connect(Tcp::endpoint remote) {
  if (context_ && !DemandHost(channel_->tls(), url_.host, url_.is_ip)) {
    co_return Status(Code::kInvalidArgument, "the host cannot be verified by this name");
  }
  const Status opened = co_await OpenChannel(*channel_, remote);
  if (!context_) co_return opened;
  const std::string why = WhyUnverified(channel_->tls());
  if (!why.empty()) co_return Status(Code::kUnauthenticated, "the server's certificate: " + why);
  if (!opened.ok()) co_return opened;
  if (!PeerIsVerified(channel_->tls())) {
    co_return Status(Code::kUnauthenticated, "the server showed no certificate");
  }
  co_return opened;
}

// One address after the other, each with its share of the time that is left.
net::awaitable<Result<Response>> WebCall::Perform() {
  Status status = co_await Resolve();
  for (size_t i = 0; status.ok() && i < addresses_.size() && !cancelled_; ++i) {
    channel_ = std::make_shared<Channel>(Tcp::socket(strand_), context_, Channel::Role::kClient);
    channel_->SetDeadline(Left() / static_cast<int>(addresses_.size() - i));
    const Status connected = co_await Connect(addresses_[i]);
    if (connected.ok()) {
      channel_->SetDeadline(Left());
      channel_->StartReading(ResponseReader::kMaxHeadBytes + 1);
      bool reusable = false;
      Result<Response> answer = co_await Talk(*channel_, outgoing_, &reusable);
      channel_->Close();
      co_return answer;
    }
    channel_->Close();
    if (i + 1 == addresses_.size()) status = connected;
  }
  if (cancelled_) status = Status(Code::kCancelled, "the client is being closed");
  if (status.ok()) status = Status(Code::kUnavailable, "no address answered");
  co_return status;
}

class WebClientImpl : public WebClient {
 public:
  explicit WebClientImpl(std::shared_ptr<TlsContext> context)
      : work_(io_.get_executor()), context_(std::move(context)), thread_([this] { io_.run(); }) {}
  ~WebClientImpl() override;

  void Call(const WebUrl& url, Request request, WebCallOptions options, Callback callback) override;

 private:
  using CallPtr = std::shared_ptr<WebCall>;

  Status Admit(const CallPtr& call);
  static net::awaitable<void> Run(WebClientImpl* self, CallPtr call, Callback callback);
  void Fail(Callback callback, Status status);
  static void Tell(const Callback& callback, Result<Response> result);

  net::io_context io_{1};
  net::executor_work_guard<net::io_context::executor_type> work_;
  const std::shared_ptr<TlsContext> context_;
  std::mutex mutex_;
  bool stopping_ = false;              // guarded by mutex_
  std::unordered_set<CallPtr> calls_;  // guarded by mutex_
  std::thread thread_;
};

WebClientImpl::~WebClientImpl() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    for (const CallPtr& call : calls_) call->PostCancel();
  }
  work_.reset();
  thread_.join();
}

void WebClientImpl::Tell(const Callback& callback, Result<Response> result) {
  try {
    callback(std::move(result));
  } catch (const std::exception& failure) {
    base::LogError("a web client's callback threw", {{"error", failure.what()}});
  }
}

void WebClientImpl::Fail(Callback callback, Status status) {
  net::post(io_, [callback = std::move(callback), status = std::move(status)] {
    Tell(callback, status);
  });
}

Status WebClientImpl::Admit(const CallPtr& call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return Status(Code::kCancelled, "the client is being closed");
  if (calls_.size() >= kMaxCalls) {
    return Status(Code::kResourceExhausted, std::to_string(kMaxCalls) + " calls are open");
  }
  calls_.insert(call);
  return Status::Ok();
}

net::awaitable<void> WebClientImpl::Run(WebClientImpl* self, CallPtr call, Callback callback) {
  Result<Response> result = co_await call->Perform();
  {
    const std::lock_guard<std::mutex> lock(self->mutex_);
    self->calls_.erase(call);
    if (self->stopping_ && !result.ok()) {
      result = Status(Code::kCancelled, "the client is being closed");
    }
  }
  Tell(callback, std::move(result));
}

void WebClientImpl::Call(const WebUrl& url, Request request, WebCallOptions options,
                         Callback callback) {
  request.target = url.target;
  Outgoing outgoing;
  outgoing.to_head = request.method == "HEAD";
  outgoing.max_response_bytes = options.max_response_bytes;
  Result<std::string> bytes = FormatRequest(request, url.Authority());
  if (!bytes.ok()) return Fail(std::move(callback), bytes.status());
  outgoing.bytes = std::move(bytes).value();
  const auto call = std::make_shared<WebCall>(net::make_strand(io_), url.tls ? context_ : nullptr,
                                              url, options.deadline, std::move(outgoing));
  const Status admitted = Admit(call);
  if (!admitted.ok()) return Fail(std::move(callback), admitted);
  net::co_spawn(call->strand(), Run(this, call, std::move(callback)),
                [](std::exception_ptr failure) {
                  if (failure) base::LogError("a web client's call ended by an exception");
                });
}

}  // namespace

Result<std::unique_ptr<WebClient>> WebClient::Create(const std::string& ca_pem) {
  Result<std::shared_ptr<TlsContext>> context = MakeWebContext(ca_pem);
  if (!context.ok()) return context.status();
  return std::unique_ptr<WebClient>(std::make_unique<WebClientImpl>(std::move(context).value()));
}

}  // namespace sandgate::http
