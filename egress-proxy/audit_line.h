// The one line that each connection leaves in the log, whatever became of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "libs/egress/protocol.h"

namespace sandgate::egress {

struct AuditLine {
  std::string client;       // address of the pod, which says little: addresses are reused
  std::string sandbox_uid;  // from the certificate
  std::string run_id;       // from here on: of the verified grant
  std::string name_space;
  std::string execution;
  std::string host;     // as asked for, or the server name that was found
  std::string address;  // connected to, or the first forbidden one
  std::string detail;   // why an address is forbidden, what OpenSSL said
  bool carried = false;
  Reason reason = Reason::kInternal;
  uint64_t bytes_up = 0;
  uint64_t bytes_down = 0;
  std::chrono::milliseconds duration{0};
};

// "egress connection" at level info, with verdict `allowed` or `refused` and the reason's word.
// Nothing that was carried, no token and no key is in it.
void WriteAuditLine(const AuditLine& line);

}  // namespace sandgate::egress
