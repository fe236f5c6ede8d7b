#include "api-gateway/auth.h"

#include <algorithm>

#include "libs/base/ids.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxTokenBytes = 12 * 1024;

// b64token of RFC 6750.
bool IsTokenChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

base::Status Refused() {
  return base::Status(base::Code::kUnauthenticated, "the token is not accepted");
}

}  // namespace

std::optional<std::string> BearerToken(std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size()) return std::nullopt;
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kScheme[i]) {
      return std::nullopt;
    }
  }
  header.remove_prefix(kScheme.size());
  if (header.size() > kMaxTokenBytes) return std::nullopt;
  if (!std::all_of(header.begin(), header.end(), IsTokenChar)) return std::nullopt;
  return std::string(header);
}

std::string ServiceAccountNamespace(const std::string& username) {
  constexpr std::string_view kPrefix = "system:serviceaccount:";
  if (!username.starts_with(kPrefix)) return "";
  const size_t colon = username.find(':', kPrefix.size());
  if (colon == std::string::npos) return "";
  return username.substr(kPrefix.size(), colon - kPrefix.size());
}

Authenticator::Authenticator(kube::Api api, AuthOptions options, const base::Clock& clock)
    : api_(std::move(api)), options_(std::move(options)), clock_(clock) {}

base::Result<Caller> Authenticator::Authenticate(const std::string& token) {
  const std::string digest = base::Sha256Hex(token);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = known_.find(digest);
    if (found != known_.end() && clock_.MonotonicNow() < found->second.until) {
      if (!found->second.who) return Refused();
      return Caller{token, *found->second.who};
    }
  }
  const base::Result<std::optional<api::Requester>> who = Review(token);
  if (!who.ok()) return who.status();
  const auto keep = *who ? options_.keep : options_.keep_refused;
  Remember(digest, {*who, clock_.MonotonicNow() + keep});
  if (!*who) return Refused();
  return Caller{token, **who};
}

base::Result<std::optional<api::Requester>> Authenticator::Review(const std::string& token) const {
  api::Json review = {{"apiVersion", kube::kTokenReviews.ApiVersion()},
                      {"kind", kube::kTokenReviews.kind},
                      {"spec", {{"token", token}}}};
  const std::string& audience = options_.required_audience;
  if (!audience.empty()) review["spec"]["audiences"] = api::Json::array({audience});
  const base::Result<api::Json> answer = api_.Create(kube::kTokenReviews, "", review);
  if (!answer.ok()) {
    // A refusal here is of the gateway's own account, and no fault of the caller's.
    return base::Status(base::Code::kUnavailable, "TokenReview: " + answer.status().message());
  }
  const api::Json& status = api::Member(*answer, "status");
  const std::optional<api::Requester> nobody;
  if (!api::BoolOr(status, "authenticated")) return nobody;
  if (!audience.empty()) {
    // An authenticator that knows no audiences leaves the list away: then nothing was checked.
    const auto audiences = api::StringsFromJson(api::Member(status, "audiences"));
    if (std::find(audiences.begin(), audiences.end(), audience) == audiences.end()) return nobody;
  }
  const api::Requester who = api::RequesterFromJson(api::Member(status, "user"));
  if (who.username.empty()) return nobody;
  return std::optional(who);
}

void Authenticator::Remember(const std::string& digest, Known known) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (known_.size() >= options_.max_entries) {
    const base::MonotonicTime now = clock_.MonotonicNow();
    std::erase_if(known_, [&](const auto& entry) { return entry.second.until <= now; });
    // Full of live ones: forgetting any costs no more than asking again.
    if (known_.size() >= options_.max_entries) known_.erase(known_.begin());
  }
  known_[digest] = std::move(known);
}

}  // namespace sandgate::gateway
