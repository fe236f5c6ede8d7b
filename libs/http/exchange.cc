#include "libs/http/exchange.h"

namespace sandgate::http {

// The handle that handlers copy: when the last copy goes, nobody can answer any more.
class Responder::Impl {
 public:
  explicit Impl(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~Impl() { exchange_->Abandon(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  Exchange& exchange() { return *exchange_; }

 private:
  const std::shared_ptr<Exchange> exchange_;
};

Responder MakeResponder(std::shared_ptr<Exchange> exchange) {
  return Responder(std::make_shared<Responder::Impl>(std::move(exchange)));
}

void Responder::Send(Response response) const {
  impl_->exchange().Send(std::move(response));
}
void Responder::BeginStream(Response head) const {
  impl_->exchange().BeginStream(std::move(head));
}
bool Responder::Write(std::string chunk) const {
  return impl_->exchange().Write(std::move(chunk));
}
void Responder::EndStream() const {
  impl_->exchange().EndStream();
}
void Responder::OnClosed(std::function<void()> callback) const {
  impl_->exchange().OnClosed(std::move(callback));
}

void Exchange::Wake() {
  if (wake_) wake_();
}

void Exchange::Send(Response response) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (phase_ != Phase::kWaiting) return;
  phase_ = Phase::kAnswered;
  response_ = std::move(response);
  Wake();
}

void Exchange::BeginStream(Response head) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (phase_ != Phase::kWaiting) return;
  phase_ = Phase::kStreaming;
  response_ = std::move(head);
  Wake();
}

bool Exchange::Write(std::string chunk) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (phase_ != Phase::kStreaming) return false;
  if (chunk.size() > kMaxUnreadBytes - unread_bytes_) return false;
  unread_bytes_ += chunk.size();
  chunk_ += chunk;
  Wake();
  return true;
}

void Exchange::EndStream() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (phase_ != Phase::kStreaming) return;
  phase_ = Phase::kEnding;
  Wake();
}

void Exchange::OnClosed(std::function<void()> callback) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (phase_ != Phase::kClosed) {
      on_closed_.swap(callback);
      return;
    }
    if (!gone_) return;
  }
  callback();
}

void Exchange::Abandon() {
  const std::lock_guard<std::mutex> lock(mutex_);
  abandoned_ = true;
  Wake();
}

Exchange::Step Exchange::Next() {
  const std::lock_guard<std::mutex> lock(mutex_);
  Step step;
  switch (phase_) {
    case Phase::kClosed:
      break;
    case Phase::kWaiting:
      if (abandoned_) step.kind = Step::Kind::kAbandoned;
      break;
    case Phase::kAnswered:
      if (answer_taken_) break;
      answer_taken_ = true;
      step.kind = Step::Kind::kResponse;
      step.response = std::move(response_);
      break;
    case Phase::kStreaming:
    case Phase::kEnding:
      if (!head_taken_) {
        head_taken_ = true;
        step.kind = Step::Kind::kHead;
        step.response = std::move(response_);
      } else if (!chunk_.empty()) {
        step.kind = Step::Kind::kChunk;
        step.chunk.swap(chunk_);
      } else if (phase_ == Phase::kEnding) {
        step.kind = Step::Kind::kEnd;
      } else if (abandoned_) {
        step.kind = Step::Kind::kAbandoned;
      }
      break;
  }
  return step;
}

void Exchange::Flushed(size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  unread_bytes_ -= bytes;
}

void Exchange::Close(bool gone) {
  std::function<void()> callback;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (phase_ == Phase::kClosed) return;
    phase_ = Phase::kClosed;
    gone_ = gone;
    wake_ = nullptr;
    callback.swap(on_closed_);
  }
  if (gone && callback) callback();
}

}  // namespace sandgate::http
