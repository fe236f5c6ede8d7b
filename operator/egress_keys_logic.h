// The life of a grant key: made, published, signed with, replaced, dropped. Pure.
//
// Private keys stand in a Secret, public ones in a ConfigMap that every egress proxy mounts, with
// the moment from which each may sign. What to do follows from these two and the clock alone, and
// every step is one write to one of them: several operators, and deaths between any two writes,
// come to the same keys.
//
//   make      a private key, when there is none or the one that signs is kKeyLifetime old
//   publish   its public half; it signs kKeyPropagation later, when it is mounted everywhere
//   retire    the private half of the one before, when the new one has signed for kKeySettling
//   withdraw  its public half, when the last grant that it signed has expired
//
// A private key that is not published is thus always a new one, and nobody signs with it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "libs/base/clock.h"
#include "libs/egress/grant.h"

namespace sandgate::op {

inline constexpr std::chrono::hours kKeyLifetime{30 * 24};
// Kubelets bring a changed ConfigMap to pods within two minutes; the proxy looks every 2 s.
inline constexpr std::chrono::minutes kKeyPropagation{10};
// More than the clocks of two operators differ, and than one keeps what it has read.
inline constexpr std::chrono::hours kKeySettling{1};

// What stands in the API server, by key ID.
struct GrantKeyState {
  std::set<std::string> signing;  // private keys
  // Public keys: from when each may sign. nullopt: that is not said, so it must be published again.
  std::map<std::string, std::optional<base::Time>> published;

  bool operator==(const GrantKeyState&) const = default;
};

struct KeepKeys {};
struct MakeKey {};
struct PublishKey {
  std::string id;
  base::Time signs_from;
};
struct RetireKey {  // drops the private half
  std::string id;
};
struct WithdrawKey {  // drops the public half
  std::string id;
};
// A key waits to be published, and the proxies take no more of them.
struct TooManyKeys {};

using GrantKeyPlan =
    std::variant<KeepKeys, MakeKey, PublishKey, RetireKey, WithdrawKey, TooManyKeys>;

// The next step; KeepKeys when nothing is due.
GrantKeyPlan PlanGrantKeys(const GrantKeyState& state, base::Time now);

// The key to sign with: published, and for long enough. nullopt: there is none now.
std::optional<std::string> SigningKey(const GrantKeyState& state, base::Time now);
// When the next one may sign, where none may now.
std::optional<base::Time> NextSigning(const GrantKeyState& state, base::Time now);

}  // namespace sandgate::op
