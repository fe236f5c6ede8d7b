// A decision that nobody may make, tried again and again: docs/decisions/0010.
#pragma once

#include <optional>
#include <string>

#include "libs/kube/api.h"
#include "operator/settings.h"

namespace sandgate::op {

// What a try says about the API server's rules.
struct CanaryAnswer {
  enum class State { kRefused, kBroken, kUnreachable };
  State state = State::kUnreachable;
  std::string problem;  // "" for kRefused, which is what has to be
};

// One thread at a time.
class Canary {
 public:
  // `api` is this operator's own identity, which settings.user names.
  Canary(kube::Api api, const Settings& settings);

  // Tries, as a dry run, to decide Approval sandgate-canary, whose requester is this operator.
  // Makes that Approval first if it is missing, and anew if it is not as it has to be; writes
  // nothing else. Blocks for a few calls of at most 5 s.
  CanaryAnswer Ask();

 private:
  // nullopt: the Approval stands and is pending.
  std::optional<CanaryAnswer> Prepare();
  base::Result<api::Json> Create() const;
  CanaryAnswer Try() const;

  const kube::Api api_;
  const Settings settings_;
  bool prepared_ = false;
};

}  // namespace sandgate::op
