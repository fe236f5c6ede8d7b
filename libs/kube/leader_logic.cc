#include "libs/kube/leader_logic.h"

namespace sandgate::kube {

LeaseRecord LeaseFromJson(const api::Json& lease) {
  const api::Json& meta = api::Member(lease, "metadata");
  const api::Json& spec = api::Member(lease, "spec");
  return {api::StringOr(meta, "uid"),
          api::StringOr(meta, "resourceVersion"),
          api::StringOr(spec, "holderIdentity"),
          api::StringOr(spec, "acquireTime"),
          api::StringOr(spec, "renewTime"),
          api::IntOr(spec, "leaseTransitions")};
}

void ObserveLease(const std::optional<LeaseRecord>& lease, base::MonotonicTime now,
                  LeaderMemory* memory) {
  const std::string version = lease ? lease->resource_version : "";
  if (version == memory->seen_version && memory->seen_since != base::MonotonicTime{}) return;
  memory->seen_version = version;
  memory->seen_since = now;
}

LeaderMove DecideLeader(const std::optional<LeaseRecord>& lease, const LeaderMemory& memory,
                        base::MonotonicTime now, const std::string& identity,
                        base::Duration lease_duration) {
  if (!lease) return LeaderMove::kCreate;
  if (lease->holder == identity) return LeaderMove::kRenew;
  // Somebody took it, or took it away: whoever leads now, it is not us.
  if (memory.leading) return LeaderMove::kLost;
  if (lease->holder.empty()) return LeaderMove::kTake;
  return now - memory.seen_since >= lease_duration ? LeaderMove::kTake : LeaderMove::kStandBy;
}

bool RenewalFailed(const LeaderMemory& memory, base::MonotonicTime now,
                   base::Duration renew_deadline) {
  return memory.leading && now - memory.last_renewal >= renew_deadline;
}

api::Json LeaseSpec(const std::optional<LeaseRecord>& lease, LeaderMove move,
                    const std::string& identity, base::Duration lease_duration, base::Time now) {
  const std::string time = base::FormatMicroTime(now);
  const bool keeps_term = move == LeaderMove::kRenew && lease && !lease->acquire_time.empty();
  const int64_t transitions = lease ? lease->transitions : 0;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(lease_duration).count();
  return {{"holderIdentity", identity},
          // The API server refuses 0, as a test's short lease would be.
          {"leaseDurationSeconds", seconds},
          {"acquireTime", keeps_term ? lease->acquire_time : time},
          {"renewTime", time},
          {"leaseTransitions", move == LeaderMove::kTake ? transitions + 1 : transitions}};
}

api::Json ReleasedLeaseSpec(base::Time now) {
  const std::string time = base::FormatMicroTime(now);
  return {{"holderIdentity", ""},
          {"leaseDurationSeconds", 1},
          {"acquireTime", time},
          {"renewTime", time}};
}

}  // namespace sandgate::kube
