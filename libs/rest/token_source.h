// The bearer token of our own identity: fixed, or a file that the kubelet renews.
#pragma once

#include <mutex>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace sandgate::rest {

// Whether `token` may stand in a header: printable ASCII without spaces, at most 64 KiB. Anything
// else could end the header line and start another.
bool IsHeaderSafeToken(std::string_view token);

// Thread-safe.
class TokenSource {
 public:
  // `file` "" = always `token` ("" = none).
  TokenSource(std::string token, std::string file, const base::Clock& clock = base::RealClock());

  // The token; once there is one, the file is read at most once a minute. When it cannot be read
  // now, the last token goes on being used (it may live longer than the problem); without one,
  // kUnavailable.
  base::Result<std::string> Get();

  // After a 401 to `rejected`: reads the file again. True if the token is another one now, so
  // that the call is worth repeating.
  bool Refresh(const std::string& rejected);

 private:
  base::Status Read();  // with mutex_ held

  const std::string file_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::string token_;                // guarded by mutex_
  base::MonotonicTime next_read_{};  // guarded by mutex_
};

}  // namespace sandgate::rest
