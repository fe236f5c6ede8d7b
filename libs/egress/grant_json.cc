#include "libs/egress/grant_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libs/egress/domain.h"

namespace sandgate::egress {
namespace {

using base::Code;
using base::Status;
using nlohmann::json;

constexpr size_t kMaxIdBytes = 253;
constexpr uint64_t kMaxUnixSeconds = uint64_t{1} << 33;  // year 2242: base::Time ends in 2262

// Names and UIDs of Kubernetes, and run IDs. They end up in audit lines and as table keys.
bool IsId(const std::string& text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_';
         });
}

int64_t UnixSeconds(base::Time time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

base::Time FromUnix(int64_t seconds) {
  return base::Time(std::chrono::seconds(seconds));
}

Status Bad(const char* what) {
  return Status(Code::kInvalidArgument, what);
}

bool IsTime(int64_t seconds) {
  return seconds >= 0 && static_cast<uint64_t>(seconds) < kMaxUnixSeconds;
}

// Of another kind of number the library would make one of this, with undefined results.
std::optional<uint64_t> Whole(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

}  // namespace

Status CheckGrant(const Grant& grant) {
  if (!IsId(grant.audience)) return Bad("grant: aud is no identifier");
  if (!IsId(grant.sandbox_uid)) return Bad("grant: sbx is no identifier");
  if (!IsId(grant.run_id)) return Bad("grant: run is no identifier");
  if (!IsId(grant.name_space)) return Bad("grant: ns is no identifier");
  if (!IsId(grant.execution)) return Bad("grant: exe is no identifier");
  if (grant.domains.empty() || grant.domains.size() > kMaxGrantDomains) {
    return Bad("grant: dom must have 1 to 64 names");
  }
  if (!std::all_of(grant.domains.begin(), grant.domains.end(), IsDomainPattern)) {
    return Bad("grant: dom has an entry that is no normalised domain");
  }
  if (!IsTime(UnixSeconds(grant.not_before)) || !IsTime(UnixSeconds(grant.expires))) {
    return Bad("grant: a time is out of range");
  }
  if (grant.expires <= grant.not_before || grant.expires - grant.not_before > kMaxGrantLifetime) {
    return Bad("grant: exp must be after nbf, by 24 hours at most");
  }
  if (grant.max_bytes == 0) return Bad("grant: max must be positive");
  return Status::Ok();
}

std::string GrantToJson(const Grant& grant) {
  const json payload = {{"aud", grant.audience},
                        {"sbx", grant.sandbox_uid},
                        {"run", grant.run_id},
                        {"ns", grant.name_space},
                        {"exe", grant.execution},
                        {"dom", grant.domains},
                        {"nbf", UnixSeconds(grant.not_before)},
                        {"exp", UnixSeconds(grant.expires)},
                        {"max", grant.max_bytes}};
  return payload.dump();
}

std::optional<Grant> GrantFromJson(std::string_view payload) {
  const json object = json::parse(payload, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  Grant grant;
  try {
    grant.audience = object.at("aud").get<std::string>();
    grant.sandbox_uid = object.at("sbx").get<std::string>();
    grant.run_id = object.at("run").get<std::string>();
    grant.name_space = object.at("ns").get<std::string>();
    grant.execution = object.at("exe").get<std::string>();
    grant.domains = object.at("dom").get<std::vector<std::string>>();
    const std::optional<uint64_t> from = Whole(object.at("nbf"));
    const std::optional<uint64_t> until = Whole(object.at("exp"));
    const std::optional<uint64_t> most = Whole(object.at("max"));
    if (!from || !until || !most || *from >= kMaxUnixSeconds || *until >= kMaxUnixSeconds) {
      return std::nullopt;
    }
    grant.not_before = FromUnix(static_cast<int64_t>(*from));
    grant.expires = FromUnix(static_cast<int64_t>(*until));
    grant.max_bytes = *most;
  } catch (const json::exception&) {
    return std::nullopt;
  }
  // Members we do not know, numbers of another kind, another order or spelling: not ours.
  if (!CheckGrant(grant).ok() || GrantToJson(grant) != payload) return std::nullopt;
  return grant;
}

}  // namespace sandgate::egress
