// The keys that grants of network are signed with, as they stand in the API server: Secret
// sandgate-egress-signing and ConfigMap sandgate-egress-keys, `<keyid>.pem` each.
#pragma once

#include <map>
#include <string>

#include "libs/kube/api.h"
#include "operator/egress_keys_logic.h"
#include "operator/settings.h"

namespace sandgate::op {

// On the ConfigMap, followed by a key's ID: the moment from which it may sign.
inline constexpr char kSignsFromAnnotation[] = "sandgate.dev/signs-from.";

struct GrantKeys {
  GrantKeyState state;
  std::map<std::string, std::string> private_pems;  // by key ID; secret
};

// Reads both, and takes every step that is due (egress_keys_logic.h), each with the version that
// was read. Safe to call from several operators at once.
//
// kInvalidArgument: one of the two is not the operator's, or holds something else than what its
// names say; neither is ever overwritten then, and the message says what to delete. kConflict:
// others wrote at the same time again and again; call again. Else a failure of the API server's.
base::Result<GrantKeys> EnsureGrantKeys(const kube::Api& api, const Settings& settings,
                                        base::Time now);

}  // namespace sandgate::op
