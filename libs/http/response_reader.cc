#include "libs/http/response_reader.h"

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <utility>

#include "libs/http/body_reader.h"
#include "libs/http/message_format.h"

namespace sandgate::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

}  // namespace

class ResponseReader::Impl {
 public:
  Impl(bool to_head, size_t max_body_bytes) : to_head_(to_head), max_body_bytes_(max_body_bytes) {
    Restart();
  }

  size_t Feed(std::string_view bytes) {
    size_t consumed = 0;
    while (consumed < bytes.size() && state_ == State::kReading && !body_) {
      const size_t taken = FeedHead(bytes.substr(consumed));
      consumed += taken;
      if (taken == 0) break;
    }
    if (consumed < bytes.size() && state_ == State::kReading && body_) {
      consumed += body_->Feed(bytes.substr(consumed));
      JudgeBody();
    }
    return consumed;
  }

  void End() {
    if (state_ != State::kReading) return;
    if (body_) {
      body_->End();
      JudgeBody();
    }
    if (state_ != State::kDone) Fail("the connection ended before the answer was whole");
  }

  State state_ = State::kReading;
  bool keep_alive_ = false;
  Response response_;
  std::string failure_;

 private:
  void Restart() {
    parser_.emplace();
    parser_->header_limit(kMaxHeadBytes);
    parser_->skip(true);  // bodies are not its business
    head_bytes_ = 0;
    response_ = Response();
  }

  size_t FeedHead(std::string_view bytes) {
    error_code ec;
    const size_t taken = parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
    head_bytes_ += taken;
    if (ec && ec != beast_http::error::need_more) {
      Fail("malformed answer: " + ec.message());
    } else if (head_bytes_ > kMaxHeadBytes) {
      Fail("malformed answer: too many headers");
    } else if (parser_->is_done()) {
      EndHead();
    }
    return taken;
  }

  void EndHead() {
    const auto& message = parser_->get();
    response_.status = message.result_int();
    if (response_.status / 100 == 1) {
      if (++interim_ > kMaxInterim || response_.status == 101) {
        return Fail("malformed answer: status " + std::to_string(response_.status));
      }
      return Restart();
    }
    for (const auto& field : message) {
      response_.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    }
    std::optional<BodyFraming> framing = FramingOf(response_.headers);
    if (!framing) return Fail("malformed answer: the body's length is ambiguous");
    if (to_head_ || HasNoBody(response_.status)) {
      framing = BodyFraming();
    } else if (framing->kind == BodyFraming::Kind::kNone) {
      framing->kind = BodyFraming::Kind::kUntilClose;
    }
    keep_alive_ = message.keep_alive() && framing->kind != BodyFraming::Kind::kUntilClose;
    body_.emplace(*framing, max_body_bytes_);
    JudgeBody();
  }

  void JudgeBody() {
    switch (body_->state()) {
      case BodyReader::State::kReading:
        break;
      case BodyReader::State::kDone:
        response_.body = body_->Take();
        state_ = State::kDone;
        break;
      case BodyReader::State::kTooLarge:
        return Fail("the answer has more than " + std::to_string(max_body_bytes_) + " bytes");
      case BodyReader::State::kMalformed:
        return Fail("malformed answer: its chunks");
    }
  }

  void Fail(std::string why) {
    failure_ = std::move(why);
    state_ = State::kFailed;
  }

  const bool to_head_;
  const size_t max_body_bytes_;
  std::optional<beast_http::response_parser<beast_http::empty_body>> parser_;
  std::optional<BodyReader> body_;  // once the head is known
  size_t head_bytes_ = 0;
  int interim_ = 0;
};

ResponseReader::ResponseReader(bool to_head, size_t max_body_bytes)
    : impl_(std::make_unique<Impl>(to_head, max_body_bytes)) {}
ResponseReader::~ResponseReader() = default;

size_t ResponseReader::Feed(std::string_view bytes) {
  return impl_->Feed(bytes);
}
void ResponseReader::End() {
  impl_->End();
}
ResponseReader::State ResponseReader::state() const {
  return impl_->state_;
}
const std::string& ResponseReader::failure() const {
  return impl_->failure_;
}
bool ResponseReader::keep_alive() const {
  return impl_->keep_alive_;
}
Response ResponseReader::Take() {
  return std::move(impl_->response_);
}

}  // namespace sandgate::http
