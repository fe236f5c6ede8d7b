#include "operator/egress_keys_logic.h"

#include <utility>

namespace sandgate::op {
namespace {

// From a clock that was ahead: such a key would sign for nobody knows how long later.
bool FromTheFuture(base::Time signs_from, base::Time now) {
  return signs_from > now + kKeyPropagation + kKeySettling;
}

// A private key that is not published, or not so that it says when it signs.
std::optional<std::string> Unpublished(const GrantKeyState& state, base::Time now) {
  for (const std::string& id : state.signing) {
    const auto found = state.published.find(id);
    if (found == state.published.end() || !found->second) return id;
    if (FromTheFuture(*found->second, now)) return id;
  }
  return std::nullopt;
}

// Where proxies know no key yet, no rotation can break anything: it signs at once.
GrantKeyPlan Publish(const GrantKeyState& state, const std::string& id, base::Time now) {
  const bool known = state.published.contains(id);
  if (!known && state.published.size() >= egress::kMaxGrantKeys) return TooManyKeys{};
  return PublishKey{id, state.published.empty() ? now : now + kKeyPropagation};
}

// Of a key before the one that signs since `since`.
bool Superseded(const std::optional<base::Time>& signs_from, base::Time since) {
  return !signs_from || *signs_from < since;
}

}  // namespace

std::optional<std::string> SigningKey(const GrantKeyState& state, base::Time now) {
  std::optional<std::pair<base::Time, std::string>> newest;
  for (const auto& [id, signs_from] : state.published) {
    if (!signs_from || *signs_from > now || !state.signing.contains(id)) continue;
    if (!newest || std::make_pair(*signs_from, id) > *newest) newest.emplace(*signs_from, id);
  }
  if (!newest) return std::nullopt;
  return newest->second;
}

std::optional<base::Time> NextSigning(const GrantKeyState& state, base::Time now) {
  std::optional<base::Time> next;
  for (const auto& [id, signs_from] : state.published) {
    if (!signs_from || *signs_from <= now || !state.signing.contains(id)) continue;
    if (!next || *signs_from < *next) next = signs_from;
  }
  return next;
}

GrantKeyPlan PlanGrantKeys(const GrantKeyState& state, base::Time now) {
  if (state.signing.empty()) return MakeKey{};
  if (const auto id = Unpublished(state, now)) return Publish(state, *id, now);
  const std::optional<std::string> current = SigningKey(state, now);
  if (!current) return KeepKeys{};  // the first one of its kind is on its way to the proxies
  const base::Time since = *state.published.at(*current);
  if (!NextSigning(state, now) && now >= since + kKeyLifetime) return MakeKey{};
  for (const auto& [id, signs_from] : state.published) {
    if (id == *current || !Superseded(signs_from, since)) continue;
    if (state.signing.contains(id)) {
      if (now >= since + kKeySettling) return RetireKey{id};
    } else if (now >= since + egress::kMaxGrantLifetime + kKeySettling) {
      return WithdrawKey{id};
    }
  }
  return KeepKeys{};
}

}  // namespace sandgate::op
