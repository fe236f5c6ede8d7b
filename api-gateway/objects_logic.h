// Names and bodies of the objects that a call becomes. Pure and deterministic.
#pragma once

#include <string>

#include "api-gateway/tool_call.h"
#include "libs/api/json.h"
#include "libs/api/meta.h"

namespace sandgate::gateway {

// On an Execution: SHA-256 of the call it was made for, limits of the new sandbox included. The
// same idempotency key with another one is another call.
inline constexpr char kRequestAnnotation[] = "sandgate.dev/request";

struct CallNames {
  std::string execution;    // "execution-<20 hex>"
  std::string new_sandbox;  // "sandbox-<12 hex>"
};

// Random names; with an idempotency key, names that the same caller gets again for it. They are
// not secrets: whoever guesses one can still do only what RBAC lets him.
CallNames NamesFor(const std::string& ns, const std::string& username,
                   const std::string& idempotency_key);

// The Sandbox for a call that names none. `requester` stands in it in plain sight: API servers
// before 1.36 do not stamp it, all of them check it.
api::Json SandboxFor(const CodeExecute& call, const std::string& name, const std::string& ns,
                     const api::Requester& requester);
// The named Sandbox of the call, or `sandbox_name` for one that names none.
api::Json ExecutionFor(const ExecutionCall& call, const std::string& name, const std::string& ns,
                       const std::string& sandbox_name, const api::Requester& requester);

// Whether `existing` is what `wanted` asked to create: the same spec (but for cancel and the
// requester's UID, which the API server stamps) by the same requester, and the same annotation.
bool SameRequest(const api::Json& existing, const api::Json& wanted);

}  // namespace sandgate::gateway
