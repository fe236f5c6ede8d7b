#include "api-gateway/gateway.h"

#include <utility>

#include "api-gateway/tool_catalog.h"
#include "api-gateway/tool_request_logic.h"
#include "libs/base/log.h"

namespace sandgate::gateway {
namespace {

using base::Code;

// What is not terminal: so the watch begins with a short list and carries no outputs, and the end
// of an Execution arrives as its removal.
constexpr char kActive[] =
    "status.phase!=Succeeded,status.phase!=Failed,status.phase!=TimedOut,status.phase!=Denied,"
    "status.phase!=Expired,status.phase!=Cancelled,status.phase!=Lost";

kube::ReflectorOptions ActiveExecutions() {
  kube::ReflectorOptions options;
  options.resource = kube::kExecutions;
  options.field_selector = kActive;
  return options;
}

CallError Busy() {
  return {503, "Busy", "the gateway has too much to do; try again in a second", ""};
}

CallError Gone() {
  return {404, "NotFound", "the Execution does not exist (any more)", ""};
}

bool IsPassing(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded || code == Code::kInternal ||
         code == Code::kResourceExhausted;
}

bool IsTheSame(const PendingCall& call, const api::Execution& execution) {
  const std::string seen = call.uid();
  return seen.empty() || seen == execution.meta.uid;
}

bool IsTerminalJson(const api::Json& object) {
  const auto phase = api::ParsePhase(api::StringOr(api::Member(object, "status"), "phase"));
  return phase && api::IsTerminal(*phase);
}

}  // namespace

Gateway::Gateway(kube::Api own, GatewayOptions options, const base::Clock& clock)
    : clock_(clock),
      max_bodies_(options.max_bodies),
      calls_(own),
      auth_(own, options.auth, clock),
      pool_(options.workers, options.max_queue),
      waiters_(options.max_waiters,
               {[this](WaitId id) { return Queue([this, id] { Look(id); }); },
                [this](const PendingPtr& call) {
                  if (!Queue([this, call] { LookOnce(call); })) call->Answer(Busy());
                }},
               clock),
      reflector_(own, ActiveExecutions(),
                 {[this](const std::vector<api::Json>& objects) {
                    std::set<kube::Key> active;
                    for (const api::Json& object : objects) active.insert(kube::KeyOf(object));
                    waiters_.WakeOthers(active);
                  },
                  [this](const api::Json& object) {
                    if (IsTerminalJson(object)) waiters_.Wake(kube::KeyOf(object));
                  },
                  [this](const api::Json& object) { waiters_.Wake(kube::KeyOf(object)); }}) {}

Gateway::~Gateway() {
  Stop();
}

void Gateway::Start() {
  reflector_.Start();
}

bool Gateway::Ready() const {
  return !stopping_ && reflector_.HasSynced();
}

void Gateway::Stop() {
  if (stopping_.exchange(true)) return;
  reflector_.Stop();
  for (const PendingPtr& call : waiters_.Stop()) {
    call->AnswerLater({{"execution", call->execution},
                       {"sandbox_id", call->sandbox()},
                       {"phase", "Unknown"},
                       {"message", "the gateway is stopping; ask again"}});
  }
  pool_.Stop();
}

void Gateway::Handle(http::Request request, http::Responder responder) {
  auto parsed = ParseRequest(request);
  if (auto* failed = std::get_if<RequestError>(&parsed)) {
    GatewayRequest label_only;
    label_only.label = failed->label;
    PendingCall call(label_only, "", std::move(responder), &metrics_, clock_);
    http::Response response = ErrorResponse(failed->error);
    if (!failed->allow.empty()) response.headers.push_back({"Allow", failed->allow});
    call.Answer(std::move(response), failed->error.code);
    return;
  }
  auto call = std::make_shared<PendingCall>(std::get<GatewayRequest>(std::move(parsed)),
                                            std::move(request.body), std::move(responder),
                                            &metrics_, clock_);
  switch (call->request.route) {
    case Route::kToolList:
      call->Answer(JsonResponse(200, ToolListJson()));
      return;
    case Route::kOpenApi:
      call->Answer(JsonResponse(200, OpenApiJson()));
      return;
    case Route::kTool:
    case Route::kExecution:
      break;
  }
  // The queue is bounded in calls, and a body may have megabytes.
  const size_t bytes = call->body.size();
  if (bodies_.fetch_add(bytes) + bytes > max_bodies_ || !Queue([this, call] { Begin(call); })) {
    bodies_ -= bytes;
    call->Answer(Busy());
  }
}

void Gateway::Begin(const PendingPtr& call) {
  // Not kept in the call: a human may take minutes.
  const std::string body = std::exchange(call->body, {});
  bodies_ -= body.size();
  if (!Identify(call)) return;
  if (call->request.route == Route::kExecution) {
    Query(call);
    return;
  }
  auto tool = ParseToolCall(call->request.name, body);
  if (const auto* error = std::get_if<CallError>(&tool)) {
    call->Answer(*error);
    return;
  }
  const ToolCall& parsed = std::get<ToolCall>(tool);
  if (const auto* execute = std::get_if<ExecutionCall>(&parsed)) Execute(call, *execute);
  if (const auto* destroy = std::get_if<DestroySandbox>(&parsed)) Destroy(call, *destroy);
}

// Sets the context; false when the call has been answered.
bool Gateway::Identify(const PendingPtr& call) {
  base::Result<Caller> caller = auth_.Authenticate(call->request.token);
  if (!caller.ok()) {
    if (caller.status().code() != Code::kUnauthenticated) {
      base::LogError("callers cannot be identified", {{"error", caller.status().message()}});
    }
    call->Answer(FromStatus(caller.status()));
    return false;
  }
  call->context.caller = std::move(caller).value();
  call->context.idempotency_key = call->request.idempotency_key;
  call->context.ns = call->request.ns;
  if (call->context.ns.empty()) {
    call->context.ns = ServiceAccountNamespace(call->context.caller.who.username);
  }
  if (call->context.ns.empty()) call->context.ns = "default";
  return true;
}

// Registers before anything is created or read, so that no event in between is missed. nullopt when
// the call does not wait, or too many do already.
std::optional<WaitId> Gateway::Wait(const PendingPtr& call) {
  if (call->request.respond_async || call->request.wait.count() == 0) return std::nullopt;
  const std::optional<WaitId> id =
      waiters_.Add({call->context.ns, call->execution}, call, call->request.wait);
  if (!id) return std::nullopt;
  // The execution goes on when the caller is gone: it is in the cluster, and may be asked for.
  call->responder.OnClosed([this, wait = *id] {
    if (const PendingPtr gone = waiters_.Take(wait)) metrics_.CountGone(gone->request.label);
  });
  return id;
}

void Gateway::Execute(const PendingPtr& call, const ExecutionCall& tool) {
  const CallNames names =
      NamesFor(call->context.ns, call->context.caller.who.username, call->context.idempotency_key);
  call->execution = names.execution;
  const std::string& named = SandboxIdOf(tool);
  call->SetSeen("", named.empty() ? names.new_sandbox : named);
  const std::optional<WaitId> id = Wait(call);
  const auto made = calls_.Execute(call->context, tool, names);
  const auto* execution = std::get_if<api::Execution>(&made);
  if (execution != nullptr) call->SetSeen(execution->meta.uid, execution->spec.sandbox_name);
  const bool waits_on = execution != nullptr && !execution->status.terminal();
  if (waits_on && id) {
    if (waiters_.LookEnded(*id)) Look(*id);
    return;
  }
  if (id && !waiters_.Take(*id)) return;  // the caller is gone
  if (waits_on) {
    call->AnswerLater(ProgressOf(*execution));
  } else if (execution != nullptr) {
    AnswerFinished(call, *execution);
  } else if (const auto* error = std::get_if<CallError>(&made)) {
    call->Answer(*error);
  } else if (const auto* absent = std::get_if<KubeCalls::NoSandbox>(&made)) {
    call->Answer(JsonResponse(200, api::DumpJson(SandboxNotFound(absent->asked)) + "\n"));
  }
}

void Gateway::Destroy(const PendingPtr& call, const DestroySandbox& tool) {
  call->SetSeen("", tool.sandbox_id);
  const auto destroyed = calls_.Destroy(call->context, tool);
  if (const auto* error = std::get_if<CallError>(&destroyed)) {
    call->Answer(*error);
    return;
  }
  const api::Json result = DestroyResult(tool.sandbox_id, std::get<bool>(destroyed));
  call->Answer(JsonResponse(200, api::DumpJson(result) + "\n"));
}

void Gateway::Query(const PendingPtr& call) {
  call->execution = call->request.name;
  const std::optional<WaitId> id = Wait(call);
  if (id) {
    Look(*id);
  } else {
    LookOnce(call);
  }
}

void Gateway::AnswerFinished(const PendingPtr& call, const api::Execution& execution) const {
  if (const auto limit = LimitError(execution)) {
    call->Answer(*limit);
    return;
  }
  const api::Json result = ResultOf(execution, calls_.Outputs(execution));
  call->Answer(JsonResponse(200, api::DumpJson(result) + "\n"));
}

// One look for an entry that is marked as being looked at. Nobody else writes to the call.
void Gateway::Look(WaitId id) {
  do {
    const PendingPtr call = waiters_.Find(id);
    if (!call) return;
    const auto execution = calls_.Read(call->context, call->execution);
    if (!execution.ok() && IsPassing(execution.status().code())) {
      waiters_.LookFailed(id);
      return;
    }
    const bool same = execution.ok() && IsTheSame(*call, *execution);
    if (same) call->SetSeen(execution->meta.uid, execution->spec.sandbox_name);
    if (!same || execution->status.terminal()) {
      if (!waiters_.Take(id)) return;  // its time ran out, or the caller is gone
      if (same) {
        AnswerFinished(call, *execution);
      } else if (execution.ok() || execution.status().code() == Code::kNotFound) {
        call->Answer(Gone());
      } else {
        call->Answer(FromStatus(execution.status()));
      }
      return;
    }
  } while (waiters_.LookEnded(id));
}

// The answer as it stands now, for calls that do not wait (any more).
void Gateway::LookOnce(const PendingPtr& call) {
  const auto execution = calls_.Read(call->context, call->execution);
  if (!execution.ok()) {
    const bool gone = execution.status().code() == Code::kNotFound;
    call->Answer(gone ? Gone() : FromStatus(execution.status()));
  } else if (!IsTheSame(*call, *execution)) {
    call->Answer(Gone());
  } else {
    call->SetSeen(execution->meta.uid, execution->spec.sandbox_name);
    if (execution->status.terminal()) {
      AnswerFinished(call, *execution);
    } else {
      call->AnswerLater(ProgressOf(*execution));
    }
  }
}

}  // namespace sandgate::gateway
