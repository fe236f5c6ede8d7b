// Who calls: a bearer token, checked by the API server's TokenReview.
//
// This decides nothing about rights: every read and write that follows carries the caller's own
// token, so a token revoked a moment ago is refused there. It tells the caller's name and
// namespace, holds the required audience, and keeps garbage away from the API server.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "libs/api/meta.h"
#include "libs/base/clock.h"
#include "libs/kube/api.h"

namespace sandgate::gateway {

struct Caller {
  std::string token;  // a secret: never log it
  api::Requester who;
};

// The token of "Authorization: Bearer ..."; nullopt if it is not exactly that.
std::optional<std::string> BearerToken(std::string_view header);

// "system:serviceaccount:NAMESPACE:NAME" -> NAMESPACE, "" for anybody else.
std::string ServiceAccountNamespace(const std::string& username);

struct AuthOptions {
  std::string required_audience;  // "" = any token that the API server accepts
  std::chrono::seconds keep{30};  // accepted tokens are remembered for this long
  std::chrono::seconds keep_refused{5};
  size_t max_entries = 4096;
};

// Thread-safe; blocks on the API server.
class Authenticator {
 public:
  // `api`: the gateway's own account; it needs create on tokenreviews.
  Authenticator(kube::Api api, AuthOptions options, const base::Clock& clock = base::RealClock());

  // kUnauthenticated when the API server, or the audience, says no; other failures as they come.
  base::Result<Caller> Authenticate(const std::string& token);

 private:
  struct Known {
    std::optional<api::Requester> who;  // nullopt: refused
    base::MonotonicTime until;
  };

  base::Result<std::optional<api::Requester>> Review(const std::string& token) const;
  void Remember(const std::string& digest, Known known);

  const kube::Api api_;
  const AuthOptions options_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // guarded by mutex_; by SHA-256 of the token
};

}  // namespace sandgate::gateway
