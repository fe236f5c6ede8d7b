#include "libs/http/response_reader.h"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <utility>

namespace sandgate::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

}  // namespace

class ResponseReader::Impl {
 public:
  using Parser = beast_http::response_parser<beast_http::string_body>;

  Impl(bool to_head, size_t max_body_bytes) : to_head_(to_head), max_body_bytes_(max_body_bytes) {
    Restart();
  }

  size_t Feed(std::string_view bytes) {
    size_t consumed = 0;
    while (consumed < bytes.size() && state_ == State::kReading) {
      const size_t taken = Step(bytes.substr(consumed));
      consumed += taken;
      if (taken == 0) break;
    }
    return consumed;
  }

  void End() {
    if (state_ != State::kReading) return;
    error_code ec = beast_http::make_error_code(beast_http::error::partial_message);
    if (head_done_) parser_->put_eof(ec);
    if (ec) return Fail("the connection ended before the answer was whole");
    Finish();
  }

  State state_ = State::kReading;
  bool keep_alive_ = false;
  Response response_;
  std::string failure_;

 private:
  void Restart() {
    parser_.emplace();
    parser_->header_limit(kMaxHeadBytes);
    parser_->body_limit(max_body_bytes_);
    parser_->skip(to_head_);
    head_done_ = false;
    head_bytes_ = 0;
  }

  size_t Step(std::string_view bytes) {
    error_code ec;
    parser_->eager(head_done_);
    const size_t taken = parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
    const bool more = ec == beast_http::error::need_more;
    if (ec && !more) {
      Fail("malformed answer: " + ec.message());
      return taken;
    }
    if (!head_done_) {
      head_bytes_ += taken;
      head_done_ = parser_->is_header_done();
      if (head_bytes_ > kMaxHeadBytes) Fail("malformed answer: too many headers");
      if (state_ == State::kReading && head_done_) ReadHead();
    } else if (more && taken == 0 && bytes.size() > kMaxHeadBytes) {
      Fail("malformed answer: chunk header too long");
    }
    if (state_ == State::kReading && parser_->is_done()) Finish();
    return taken;
  }

  void ReadHead() {
    const auto& message = parser_->get();
    response_.status = message.result_int();
    for (const auto& field : message) {
      response_.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    }
  }

  void Finish() {
    if (response_.status / 100 == 1) {
      if (++interim_ > kMaxInterim || response_.status == 101) {
        return Fail("malformed answer: status " + std::to_string(response_.status));
      }
      response_ = Response();
      return Restart();
    }
    keep_alive_ = parser_->get().keep_alive() && !parser_->need_eof();
    response_.body = std::move(parser_->get().body());
    state_ = State::kDone;
  }

  void Fail(std::string why) {
    failure_ = std::move(why);
    state_ = State::kFailed;
  }

  const bool to_head_;
  const size_t max_body_bytes_;
  std::optional<Parser> parser_;
  bool head_done_ = false;
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
