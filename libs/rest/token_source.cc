#include "libs/rest/token_source.h"

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>

namespace sandgate::rest {
namespace {

constexpr size_t kMaxTokenBytes = 64 * 1024;
constexpr std::chrono::seconds kReadInterval{60};

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

bool IsHeaderSafeToken(std::string_view token) {
  return token.size() <= kMaxTokenBytes &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

TokenSource::TokenSource(std::string token, std::string file, const base::Clock& clock)
    : file_(std::move(file)), clock_(clock), token_(std::move(token)) {}

base::Status TokenSource::Read() {
  next_read_ = clock_.MonotonicNow() + kReadInterval;
  std::ifstream in(file_, std::ios::binary);
  std::string text(kMaxTokenBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  const std::string_view token = Trim(text);
  if (token.empty() || !IsHeaderSafeToken(token)) {
    return base::Status(base::Code::kUnavailable, file_ + ": no readable token");
  }
  token_ = std::string(token);
  return base::Status::Ok();
}

base::Result<std::string> TokenSource::Get() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (file_.empty()) return token_;
  if (token_.empty() || clock_.MonotonicNow() >= next_read_) {
    const base::Status status = Read();
    // Never a call without a token: that would be an anonymous one.
    if (token_.empty()) return status;
  }
  return token_;
}

bool TokenSource::Refresh(const std::string& rejected) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (file_.empty()) return false;
  // Another thread may have met the same 401 and read the file already.
  if (token_ == rejected && !Read().ok()) return false;
  return token_ != rejected;
}

}  // namespace sandgate::rest
