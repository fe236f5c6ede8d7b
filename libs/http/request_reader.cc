#include "libs/http/request_reader.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <utility>

#include "libs/http/body_reader.h"

namespace sandgate::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::system::error_code;
using Refusal = RequestReader::Refusal;

constexpr size_t kMaxEmptyLinesBytes = 4;  // before the request line (RFC 9112 section 2.2)

std::string_view View(boost::beast::string_view text) {
  return std::string_view(text.data(), text.size());
}

Refusal RefusalOf(error_code ec, const RequestLimits& limits) {
  if (ec == beast_http::error::header_limit) {
    return {431, "HeadersTooLarge",
            "request line and headers may have at most " + std::to_string(limits.header_bytes) +
                " bytes"};
  }
  if (ec == beast_http::error::bad_version) {
    return {505, "UnsupportedVersion", "HTTP/1.1 and HTTP/1.0 are spoken here"};
  }
  return {400, "MalformedRequest", ec.message()};
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

// What is well-formed for a lenient parser and still not let in: a guess that differs from that of
// a proxy in front would let one request hide in another. An empty status: let in.
Refusal JudgeFraming(const Request& head, bool http11) {
  const size_t codings = head.HeaderCount("Transfer-Encoding");
  if (codings > 0 && !http11) return {400, "AmbiguousLength", "HTTP/1.0 has no Transfer-Encoding"};
  if (FramingOf(head.headers).has_value()) return {};
  if (codings == 1 && head.HeaderCount("Content-Length") == 0) {
    return {501, "UnsupportedCoding", "the only Transfer-Encoding spoken here is chunked"};
  }
  return {400, "AmbiguousLength", "one Content-Length that is a number, or chunked coding"};
}

Refusal JudgeHead(const Request& head, bool http11) {
  if (!head.target.starts_with('/') || !IsPrintable(head.target)) {
    return {400, "MalformedRequest", "the request target must be a path"};
  }
  for (const Header& header : head.headers) {
    if (HasControl(header.value)) {
      return {400, "MalformedRequest", "control character in a header's value"};
    }
  }
  const size_t hosts = head.HeaderCount("Host");
  if (hosts > 1 || (hosts == 0 && http11)) {
    return {400, "MalformedRequest", "exactly one Host header is needed"};
  }
  if (head.HeaderCount("Expect") > 0 &&
      (head.HeaderCount("Expect") > 1 || !EqualNames(head.HeaderValue("Expect"), "100-continue"))) {
    return {417, "UnsupportedExpectation", "the only expectation met here is 100-continue"};
  }
  return JudgeFraming(head, http11);
}

}  // namespace

class RequestReader::Impl {
 public:
  explicit Impl(RequestLimits limits) : limits_(limits) {
    parser_.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    parser_.skip(true);  // bodies are not its business
  }

  size_t Feed(std::string_view bytes) {
    size_t consumed = SkipEmptyLines(bytes);
    if (!started_ && bytes.substr(consumed) == "\r") return consumed;  // half an empty line
    while (consumed < bytes.size() && state_ == State::kHead) {
      const size_t taken = FeedHead(bytes.substr(consumed));
      consumed += taken;
      if (taken == 0) break;
    }
    if (consumed < bytes.size() && state_ == State::kBody) {
      body_started_ = true;
      consumed += body_->Feed(bytes.substr(consumed));
      JudgeBody();
    }
    return consumed;
  }

  State state_ = State::kHead;
  bool started_ = false;
  bool body_started_ = false;
  bool http11_ = false;
  bool keep_alive_ = false;
  Request request_;
  Refusal refusal_;

 private:
  // One pass of the parser over all there is; 0 when it needs more.
  size_t FeedHead(std::string_view bytes) {
    started_ = true;
    error_code ec;
    const size_t taken = parser_.put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
    if (ec && ec != beast_http::error::need_more) {
      Refuse(RefusalOf(ec, limits_));
      return taken;
    }
    head_bytes_ += taken;
    const bool done = parser_.is_done();
    if (head_bytes_ + (done ? 0 : bytes.size() - taken) > limits_.header_bytes) {
      Refuse(RefusalOf(beast_http::make_error_code(beast_http::error::header_limit), limits_));
    } else if (done) {
      EndHead();
    }
    return taken;
  }

  void EndHead() {
    const auto& message = parser_.get();
    request_.method = View(message.method_string());
    request_.target = View(message.target());
    for (const auto& field : message) {
      request_.headers.push_back(
          {std::string(View(field.name_string())), std::string(View(field.value()))});
    }
    http11_ = message.version() == 11;
    keep_alive_ = message.keep_alive();
    Refusal refusal = JudgeHead(request_, http11_);
    if (refusal.status != 0) return Refuse(std::move(refusal));
    state_ = State::kBody;
    body_.emplace(*FramingOf(request_.headers), limits_.body_bytes);
    JudgeBody();
  }

  void JudgeBody() {
    switch (body_->state()) {
      case BodyReader::State::kReading:
        break;
      case BodyReader::State::kDone:
        request_.body = body_->Take();
        state_ = State::kDone;
        break;
      case BodyReader::State::kTooLarge:
        Refuse({413, "BodyTooLarge",
                "the body may have at most " + std::to_string(limits_.body_bytes) + " bytes"});
        break;
      case BodyReader::State::kMalformed:
        Refuse({400, "MalformedRequest", "the chunks of the body are malformed"});
        break;
    }
  }

  void Refuse(Refusal refusal) {
    refusal_ = std::move(refusal);
    state_ = State::kRefused;
  }

  size_t SkipEmptyLines(std::string_view bytes) {
    if (started_) return 0;
    size_t skipped = 0;
    while (skipped_ + skipped < kMaxEmptyLinesBytes && bytes.substr(skipped).starts_with("\r\n")) {
      skipped += 2;
    }
    skipped_ += skipped;
    return skipped;
  }

  const RequestLimits limits_;
  beast_http::request_parser<beast_http::empty_body> parser_;
  std::optional<BodyReader> body_;
  size_t head_bytes_ = 0;
  size_t skipped_ = 0;
};

RequestReader::RequestReader(RequestLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestReader::~RequestReader() = default;

size_t RequestReader::Feed(std::string_view bytes) {
  return impl_->Feed(bytes);
}
RequestReader::State RequestReader::state() const {
  return impl_->state_;
}
bool RequestReader::started() const {
  return impl_->started_;
}
bool RequestReader::wants_continue() const {
  return impl_->state_ == State::kBody && !impl_->body_started_ && http11() &&
         impl_->request_.HeaderCount("Expect") > 0;
}
bool RequestReader::keep_alive() const {
  return impl_->keep_alive_;
}
bool RequestReader::http11() const {
  return impl_->http11_;
}
const RequestReader::Refusal& RequestReader::refusal() const {
  return impl_->refusal_;
}
Request RequestReader::Take() {
  return std::move(impl_->request_);
}

}  // namespace sandgate::http
