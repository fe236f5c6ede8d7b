// The way out of one run, outside of its namespaces: accepts what the code connects to and carries
// the bytes to the egress proxy, with the sandbox's certificate and the run's grant, neither of
// which the code ever sees (libs/egress/protocol.h).
#pragma once

#include <cstdint>
#include <memory>

#include "libs/api/run_network.h"
#include "libs/base/status.h"
#include "runner/identity.h"
#include "runner/listeners.h"

namespace sandgate::runner {

struct RelayCounts {
  uint64_t accepted = 0;
  uint64_t carried = 0;   // given to the proxy, which may have refused them
  uint64_t refused = 0;   // by the relay itself
  uint64_t bytes_up = 0;  // from the code
  uint64_t bytes_down = 0;
};

// Has one thread. Its memory grows with the code's connections, and counts as the run's.
class Relay {
 public:
  // Connects nowhere yet. kInvalidArgument: the network's address or the identity is no good.
  static base::Result<std::unique_ptr<Relay>> Start(const RunnerIdentity& identity,
                                                    const api::RunNetwork& network);
  // Closes the listeners and every connection; returns when all are closed.
  virtual ~Relay() = default;

  // Once at most.
  virtual void Serve(Listeners listeners) = 0;

  // As Relay's end; idempotent. The counts are whole afterwards.
  virtual RelayCounts Stop() = 0;
};

}  // namespace sandgate::runner
