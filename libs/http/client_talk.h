// What both clients of this folder do on a connection: open it, send one request, read the answer.
#pragma once

#include <string>

#include "libs/base/status.h"
#include "libs/http/asio.h"
#include "libs/http/channel.h"
#include "libs/http/message.h"

namespace sandgate::http {

// Connects, and speaks TLS where the channel has it. kUnavailable (unreachable, or its deadline
// passed) or kUnauthenticated (TLS said no): nothing was sent. Names are the caller's to check.
net::awaitable<base::Status> OpenChannel(Channel& channel, Tcp::endpoint remote);

struct Outgoing {
  std::string bytes;     // the request as it is sent
  bool to_head = false;  // it is a HEAD
  size_t max_response_bytes = 0;
};

// Sends and reads; `reusable` says whether the channel can take another request afterwards.
// kDeadlineExceeded, kInternal and kUnauthenticated (TLS 1.3 refuses a client's certificate only
// now). Reading must have been started. `outgoing` and `reusable` outlive the call.
net::awaitable<base::Result<Response>> Talk(Channel& channel, const Outgoing& outgoing,
                                            bool* reusable);

}  // namespace sandgate::http
