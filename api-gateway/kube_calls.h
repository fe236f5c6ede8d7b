// What a call does to the cluster, step by step, with the caller's token. Blocking; runs on the
// worker pool.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "api-gateway/auth.h"
#include "api-gateway/objects_logic.h"
#include "api-gateway/result_logic.h"
#include "api-gateway/tool_call.h"
#include "libs/api/execution.h"
#include "libs/kube/api.h"

namespace sandgate::gateway {

struct CallContext {
  Caller caller;
  std::string ns;
  std::string idempotency_key;
};

// Thread-safe.
class KubeCalls {
 public:
  // `own`: the gateway's account, for outputs alone (see Outputs).
  explicit KubeCalls(kube::Api own) : own_(std::move(own)) {}

  // The named Sandbox is gone: a result of the tool, and no Execution is made. `asked` is the
  // Execution that would have been.
  struct NoSandbox {
    api::Execution asked;
  };
  // Creates the Sandbox, if the call names none, and then the Execution under `names`; what the
  // same idempotency key made before is taken up. When the API server refuses the Execution, the
  // Sandbox made for it is deleted again.
  std::variant<api::Execution, NoSandbox, CallError> Execute(const CallContext& context,
                                                             const ExecutionCall& call,
                                                             const CallNames& names) const;

  // True: deleted. False: there is none.
  std::variant<bool, CallError> Destroy(const CallContext& context,
                                        const DestroySandbox& call) const;

  base::Result<api::Execution> Read(const CallContext& context, const std::string& name) const;

  // Streams that did not fit into the status, from the ConfigMaps it names. Read with the gateway's
  // own account, since agents may not read ConfigMaps; only after Read succeeded with the caller's
  // token, and only from ConfigMaps that this very Execution owns. Checked against size and digest.
  WholeOutputs Outputs(const api::Execution& execution) const;

 private:
  struct Made {
    api::Json object;
    bool created = false;  // by this call; else it stood there and is the same request
  };
  std::variant<Made, CallError> CreateOrAdopt(const kube::Api& api, const kube::Resource& resource,
                                              const std::string& ns, const api::Json& wanted) const;
  std::optional<std::string> Output(const api::Execution& execution,
                                    const api::OutputRef& ref) const;

  const kube::Api own_;
};

}  // namespace sandgate::gateway
