// HTTP messages as values. Nothing here knows Asio, Beast or OpenSSL.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sandgate::http {

struct Header {
  std::string name;
  std::string value;
};

// Who is on the other side, as far as TLS has proved it.
struct Peer {
  std::string address;            // "10.244.0.7:51234", for logs
  bool verified = false;          // presented a certificate that the configured CA signed
  std::vector<std::string> uris;  // its URI subject alternative names; empty unless verified
};

struct Request {
  std::string method;           // "GET"
  std::string target;           // origin-form: "/v1/tools?wait=30s"
  std::vector<Header> headers;  // as received; names compare without case
  std::string body;             // whole; at most ServerOptions::max_body_bytes
  Peer peer;                    // on servers only

  // The first header of that name, or "" (ASCII case ignored).
  std::string_view HeaderValue(std::string_view name) const;
  // How often that header stands in the request.
  size_t HeaderCount(std::string_view name) const;
  // The target without its query, and the query without its "?".
  std::string_view Path() const;
  std::string_view Query() const;
};

struct Response {
  unsigned status = 200;
  std::vector<Header> headers;  // Content-Length and Connection are the library's business
  std::string body;

  // The first header of that name, or "" (ASCII case ignored).
  std::string_view HeaderValue(std::string_view name) const;
};

// Whether two header names are the same (ASCII case ignored).
bool EqualNames(std::string_view a, std::string_view b);

// The value of the first header of that name, or "".
std::string_view FindHeader(const std::vector<Header>& headers, std::string_view name);

// Percent-decodes one path segment or query value ("+" stays "+"). Returns
// false when the text is malformed (RFC 3986 section 2.1).
bool PercentDecode(std::string_view text, std::string* out);

// The decoded value of `name` in a query string, "" when absent or malformed.
std::string QueryParameter(std::string_view query, std::string_view name);

}  // namespace sandgate::http
