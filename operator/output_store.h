// Where a run's output goes: into the Execution's status while it is small, else, packed, into
// immutable ConfigMaps that the Execution owns.
#pragma once

#include <string>
#include <vector>

#include "libs/api/execution.h"
#include "libs/api/runner_protocol.h"
#include "operator/cluster.h"

namespace sandgate::op {

// One stream, ready to be written. `maps` is empty when it all fits inline.
struct StreamPlan {
  std::string inline_text;
  bool replaced = false;  // bytes that are no UTF-8 were replaced
  std::optional<api::OutputRef> ref;
  std::vector<api::Json> maps;
};

// Pure. `stream` is "stdout" or "stderr"; the names carry the Execution's UID, so that one of that
// name is always this very Execution's.
StreamPlan PlanStream(const api::Execution& execution, const std::string& stream,
                      const std::string& bytes);

// As PlanStream, for a text that is UTF-8.
StreamPlan PlanText(const api::Execution& execution, const std::string& stream,
                    const std::string& text);

// Creates the ConfigMaps that `state` needs and fills the streams into `status`. Repeating it after
// a crash is harmless: the runner still has the same result, and what exists is checked. Of file
// operations only a read has a stream, the file, which is stored whole or not at all: where it
// cannot be, the Execution is made a failure (OutputNotStored).
base::Status StoreOutput(const api::Execution& execution, const api::RunState& state,
                         Cluster* cluster, api::ExecutionStatus* status);

}  // namespace sandgate::op
