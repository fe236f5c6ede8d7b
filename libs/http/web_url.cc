#include "libs/http/web_url.h"

#include <algorithm>
#include <charconv>

#include "libs/http/asio.h"

namespace sandgate::http {
namespace {

constexpr size_t kMaxHostBytes = 253;
constexpr size_t kMaxLabelBytes = 63;
constexpr uint16_t kHttpsPort = 443;
constexpr uint16_t kHttpPort = 80;

base::Status Bad(const char* what) {
  return base::Status(base::Code::kInvalidArgument, std::string("the URL ") + what);
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool IsDnsName(std::string_view host) {
  if (host.empty() || host.size() > kMaxHostBytes) return false;
  size_t label = 0;
  for (size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (c == '.') {
      if (label == 0 || host[i - 1] == '-') return false;
      label = 0;
    } else if (word || (c == '-' && label > 0)) {
      if (++label > kMaxLabelBytes) return false;
    } else {
      return false;
    }
  }
  // Digits at the end are an address in one of its odd notations ("127.1"), not a name.
  const size_t dot = host.rfind('.');
  const std::string_view last = host.substr(dot == std::string_view::npos ? 0 : dot + 1);
  return label > 0 && host.back() != '-' && last.find_first_not_of("0123456789") != last.npos;
}

// "host", "host:port", "[v6]:port".
base::Status ParseAuthority(std::string_view text, WebUrl* url) {
  size_t end = text.find(':');
  std::string_view host = text.substr(0, end);
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos) return Bad("has an unclosed bracket");
    host = text.substr(1, end - 1);
    ++end;
  }
  std::transform(host.begin(), host.end(), std::back_inserter(url->host), Lower);
  error_code ec;
  const net::ip::address address = net::ip::make_address(url->host, ec);
  url->is_ip = !ec && url->host.find('%') == std::string::npos;
  if (url->is_ip ? address.is_v6() != text.starts_with('[') : text.starts_with('[')) {
    return Bad("has no host that is a name or an address");
  }
  if (!url->is_ip && !IsDnsName(url->host)) return Bad("has no host that is a name or an address");
  if (end >= text.size()) return base::Status::Ok();
  const std::string_view port = text.substr(end + 1);
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), url->port);
  const bool whole = error == std::errc() && rest == port.data() + port.size();
  if (text[end] != ':' || !whole || url->port == 0) return Bad("has no usable port");
  return base::Status::Ok();
}

}  // namespace

std::string WebUrl::Authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : '[' + host + ']';
  return port == (tls ? kHttpsPort : kHttpPort) ? name : name + ':' + std::to_string(port);
}

bool WebUrl::IsLoopback() const {
  error_code ec;
  return is_ip ? net::ip::make_address(host, ec).is_loopback() : host == "localhost";
}

base::Result<WebUrl> WebUrl::Parse(std::string_view text) {
  if (text.size() > kMaxBytes) return Bad("is too long");
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    return Bad("has characters that no URL has");
  }
  WebUrl url;
  std::string scheme(text.substr(0, text.find(':')));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), Lower);
  if (scheme != "https" && scheme != "http") return Bad("must begin with https://");
  url.tls = scheme == "https";
  url.port = url.tls ? kHttpsPort : kHttpPort;
  text.remove_prefix(scheme.size());
  if (!text.starts_with("://")) return Bad("must begin with https://");
  text.remove_prefix(3);
  if (text.find('#') != std::string_view::npos) return Bad("has a fragment");
  const size_t slash = std::min(text.find_first_of("/?\\"), text.size());
  const std::string_view authority = text.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) return Bad("names a user");
  const base::Status parsed = ParseAuthority(authority, &url);
  if (!parsed.ok()) return parsed;
  url.target = std::string(text.substr(slash));
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  if (url.target.find('\\') != std::string::npos) return Bad("has characters that no URL has");
  return url;
}

}  // namespace sandgate::http
