#include "egress-proxy/connect_request.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

#include "libs/egress/domain.h"

namespace sandgate::egress {
namespace {

namespace beast = boost::beast::http;
using Parser = beast::request_parser<beast::empty_body>;
using Fields = beast::request<beast::empty_body>;

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr unsigned kHttp10 = 10;
constexpr unsigned kHttp11 = 11;

std::string_view View(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// Lines end with CR LF and nothing else, and hold printable ASCII and tabs: no NUL, no bare CR or
// LF, no line that continues the one before.
bool IsPlainText(std::string_view head) {
  for (size_t i = 0; i < head.size(); ++i) {
    const auto c = static_cast<unsigned char>(head[i]);
    if (c == '\r') {
      if (i + 1 == head.size() || head[i + 1] != '\n') return false;
      if (i + 2 < head.size() && (head[i + 2] == ' ' || head[i + 2] == '\t')) return false;
    } else if (c == '\n') {
      if (i == 0 || head[i - 1] != '\r') return false;
    } else if (c != '\t' && (c < 0x20 || c > 0x7e)) {
      return false;
    }
  }
  return true;
}

size_t Lines(std::string_view head) {
  return static_cast<size_t>(std::count(head.begin(), head.end(), '\n'));
}

struct Authority {
  std::string_view host;
  std::string_view port;  // empty when there is none
};

Authority SplitAuthority(std::string_view text) {
  const size_t colon = text.rfind(':');
  const size_t bracket = text.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && bracket > colon)) {
    return {text, {}};
  }
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<unsigned> ParsePort(std::string_view text) {
  unsigned port = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || rest != text.data() + text.size() || port == 0 || port > 65'535) {
    return std::nullopt;
  }
  return port;
}

// The authority of "GET http://host:80/path", for the audit line.
std::string_view AuthorityOf(std::string_view target) {
  const size_t scheme = target.find("://");
  if (scheme != std::string_view::npos) target.remove_prefix(scheme + 3);
  return target.substr(0, target.find_first_of("/?#"));
}

bool AsksForMore(const Fields& fields) {
  for (const beast::field name : {beast::field::content_length, beast::field::transfer_encoding,
                                  beast::field::upgrade, beast::field::expect}) {
    if (fields.find(name) != fields.end()) return true;
  }
  return false;
}

bool SameText(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
    return lower(x) == lower(y);
  });
}

// Python's http.client speaks HTTP/1.0 to proxies and sends no Host; whoever sends one must mean
// the same by it.
bool HostAgrees(const Fields& fields, std::string_view target) {
  const size_t count = fields.count(beast::field::host);
  if (count == 0) return fields.version() == kHttp10;
  const std::string_view host = View(fields[beast::field::host]);
  return count == 1 && (SameText(host, target) || SameText(host, SplitAuthority(target).host));
}

Reason ReasonOf(NameProblem problem) {
  return problem == NameProblem::kAddressLiteral ? Reason::kAddressLiteral : Reason::kBadName;
}

void JudgeTarget(std::string_view target, ConnectRequest* request) {
  const auto [host, port_text] = SplitAuthority(target);
  const std::optional<unsigned> port = ParsePort(port_text);
  if (!port) {
    request->problem = Reason::kMalformed;
    return;
  }
  // Userinfo and paths have colons of their own, which would make them look like addresses.
  if (host.find_first_of("@/?#\\") != std::string_view::npos) {
    request->problem = Reason::kBadName;
    return;
  }
  const NameProblem problem = NormalizeName(host, &request->name);
  if (problem != NameProblem::kNone) {
    request->problem = ReasonOf(problem);
  } else if (*port != kTunnelPort) {
    request->problem = Reason::kPort;
  } else if (request->name == kBySniName) {
    request->by_sni = true;
    request->name.clear();
  }
}

void Judge(const Fields& fields, ConnectRequest* request) {
  const std::string_view target = View(fields.target());
  const bool connect = fields.method() == beast::verb::connect;
  const std::string_view authority = connect ? target : AuthorityOf(target);
  request->host = std::string(SplitAuthority(authority).host.substr(0, kMaxNameBytes));
  if ((fields.version() != kHttp11 && fields.version() != kHttp10) ||
      fields.count(kGrantHeader) > 1) {
    request->problem = Reason::kMalformed;
    return;
  }
  request->grant = std::string(View(fields[kGrantHeader]));
  if (AsksForMore(fields) && connect) {
    request->problem = Reason::kBody;
  } else if (!connect) {
    request->problem = Reason::kPlainHttp;
  } else if (!HostAgrees(fields, target)) {
    request->problem = Reason::kMalformed;
  } else {
    JudgeTarget(target, request);
  }
}

}  // namespace

size_t HeadBytes(std::string_view bytes) {
  const size_t end = bytes.find(kHeadEnd);
  return end == std::string_view::npos ? end : end + kHeadEnd.size();
}

ConnectRequest ParseConnectRequest(std::string_view head) {
  ConnectRequest request;
  request.problem = Reason::kMalformed;
  if (head.size() > kMaxHeadBytes || Lines(head) > kMaxRequestHeaders + 2) {
    request.problem = Reason::kTooLarge;
    return request;
  }
  if (!IsPlainText(head)) return request;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(kMaxHeadBytes));
  boost::system::error_code ec;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), ec);
  if (ec == beast::error::bad_content_length || ec == beast::error::bad_transfer_encoding) {
    request.problem = Reason::kBody;
    return request;
  }
  if (ec == beast::error::need_more || ec == beast::error::body_limit ||
      ec == beast::error::unexpected_body) {
    ec = {};  // of the body that no CONNECT has
  }
  if (ec || !parser.is_header_done()) return request;
  request.problem.reset();
  Judge(parser.get(), &request);
  if (request.problem == Reason::kMalformed) request.grant.clear();
  return request;
}

}  // namespace sandgate::egress
