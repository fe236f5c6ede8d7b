// Where messages go and what signs them, as files of a mounted Secret: url, key and, where the
// receiver's authority is not public, ca.crt.
#pragma once

#include <string>
#include <vector>

#include "libs/base/status.h"
#include "libs/http/web_url.h"

namespace sandgate::op {

// Secrets but for url.host: never logged.
struct WebhookTarget {
  http::WebUrl url;
  std::vector<std::string> keys;  // each signs; more than one while a key is being replaced
  std::string ca_pem;             // "": the system's authorities
};

inline constexpr size_t kMinWebhookKeyBytes = 16;
inline constexpr size_t kMaxWebhookKeys = 4;

// Reads the files as they are now: a Secret changes under us. kInvalidArgument, with the file's
// name and never its content, when one is missing (ca.crt may be), empty, above 64 KiB or no good,
// when a key has less than 16 bytes, and for http:// to anywhere but this machine, unless
// `allow_insecure`.
base::Result<WebhookTarget> ReadWebhookTarget(const std::string& directory, bool allow_insecure);

}  // namespace sandgate::op
