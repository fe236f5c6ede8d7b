// What an elector decides, from a Lease as it was read and what this process saw before. Pure.
//
// A lease has expired when *we* saw it unchanged for its duration by our own monotonic clock: the
// holder's clock, and so the times in the Lease, say nothing (as in client-go).
#pragma once

#include <optional>
#include <string>

#include "libs/api/json.h"
#include "libs/base/clock.h"

namespace sandgate::kube {

struct LeaseRecord {
  std::string uid;
  std::string resource_version;
  std::string holder;  // "" = given back
  std::string acquire_time;
  std::string renew_time;
  int64_t transitions = 0;
};

LeaseRecord LeaseFromJson(const api::Json& lease);

// What the elector remembers between two rounds.
struct LeaderMemory {
  std::string seen_version;          // of the Lease; it changes with every renewal
  base::MonotonicTime seen_since{};  // since when we see that version
  bool leading = false;
  base::MonotonicTime last_renewal{};  // began then; only while leading
};

enum class LeaderMove {
  kCreate,   // there is no Lease: create it, held by us
  kRenew,    // ours: write it again. Also after a restart under the same name.
  kTake,     // given back or expired: write it as ours
  kStandBy,  // another holds it
  kLost,     // we lead, and another holds it
};

// Notes what was read; call it before DecideLeader with the same lease. nullopt: there is none.
void ObserveLease(const std::optional<LeaseRecord>& lease, base::MonotonicTime now,
                  LeaderMemory* memory);

LeaderMove DecideLeader(const std::optional<LeaseRecord>& lease, const LeaderMemory& memory,
                        base::MonotonicTime now, const std::string& identity,
                        base::Duration lease_duration);

// Whether somebody who leads must stop because no renewal succeeded in time.
bool RenewalFailed(const LeaderMemory& memory, base::MonotonicTime now,
                   base::Duration renew_deadline);

// .spec of the Lease to write for kCreate, kRenew and kTake.
api::Json LeaseSpec(const std::optional<LeaseRecord>& lease, LeaderMove move,
                    const std::string& identity, base::Duration lease_duration, base::Time now);

// .spec of a Lease that is given back.
api::Json ReleasedLeaseSpec(base::Time now);

}  // namespace sandgate::kube
