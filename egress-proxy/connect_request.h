// The one request of a connection, read strictly: whatever two readers could read in two ways is
// refused. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/egress/protocol.h"

namespace sandgate::egress {

struct ConnectRequest {
  // Why it is refused whatever the grant says; nullopt when it asks for a tunnel to `name`:443.
  std::optional<Reason> problem;
  std::string host;  // as the client wrote it, at most kMaxNameBytes, for the audit line
  std::string name;  // normalised; empty when `by_sni` or there is a problem
  bool by_sni = false;
  std::string grant;  // the token; empty when there is none
};

// How many bytes of `bytes` are the request's head, its empty line included; npos while it is not
// complete.
size_t HeadBytes(std::string_view bytes);

// `head` is exactly one head (see HeadBytes). With a problem that leaves the text in doubt the
// grant stays empty.
ConnectRequest ParseConnectRequest(std::string_view head);

}  // namespace sandgate::egress
