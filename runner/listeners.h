// The two ends of the way out of a run: listening sockets that are made inside its network
// namespace, by its init before any code runs, and used outside of it, by the runner.
#pragma once

#include <optional>

#include "libs/base/fd.h"

namespace sandgate::runner {

struct Listeners {
  base::Fd proxy;  // 127.0.0.1:kProxyDoorPort of the run
  base::Fd tls;    // 127.0.0.1:kTlsDoorPort of the run
};

// In the init, with the capabilities of its user namespace: listens, hands the sockets over
// `socket` and keeps none of them. Returns nullptr, or the step that failed (errno).
const char* OfferListeners(int socket);

// In the runner: what the init offered. nullopt when it is anything but two sockets that listen
// there, or the init is gone.
std::optional<Listeners> TakeListeners(const base::Fd& socket);

}  // namespace sandgate::runner
