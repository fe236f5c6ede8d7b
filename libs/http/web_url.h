// Where a call to somebody else's server goes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/status.h"

namespace sandgate::http {

struct WebUrl {
  static constexpr size_t kMaxBytes = 4096;

  bool tls = true;     // https
  std::string host;    // a DNS name in lower case, or an IP literal without brackets
  bool is_ip = false;  // which of the two
  uint16_t port = 443;
  std::string target;  // path and query; at least "/". May be a secret.

  // As the Host header has it: the port only where it is not the scheme's own.
  std::string Authority() const;
  // 127.0.0.0/8, ::1 or "localhost": what never leaves the machine.
  bool IsLoopback() const;

  // An absolute http or https URL. kInvalidArgument, whose message never holds any part of the
  // text (it may be a secret), for everything else: user information, a fragment (it would be
  // dropped unseen), spaces, control characters, bytes beyond ASCII.
  static base::Result<WebUrl> Parse(std::string_view text);
};

}  // namespace sandgate::http
