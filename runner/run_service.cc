#include "runner/run_service.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "libs/api/json.h"
#include "libs/base/log.h"
#include "libs/http/tls.h"
#include "runner/network_logic.h"

namespace sandgate::runner {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxWaiters = 64;
constexpr milliseconds kMaxWait{60'000};
constexpr std::string_view kRuns = "/v1/runs/";
constexpr std::string_view kCancel = "/cancel";

http::Response JsonResponse(unsigned status, const api::Json& json) {
  return {status, {{"Content-Type", "application/json"}}, api::DumpJson(json)};
}

http::Response Error(unsigned status, const char* code, const std::string& message,
                     const std::string& field = "") {
  api::Json error = {{"code", code}, {"message", message}};
  if (!field.empty()) error["field"] = field;
  return JsonResponse(status, {{"error", error}});
}

http::Response InvalidArgument(const base::Status& status) {
  // "field: problem", as the protocol's readers say it.
  const std::string& message = status.message();
  return Error(400, "InvalidArgument", message, message.substr(0, message.find(':')));
}

// "30s" or "500ms", at most kMaxWait; 0 when absent or malformed.
milliseconds ParseWait(const std::string& text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0 || number > kMaxWait.count()) {
    return number > 0 ? kMaxWait : milliseconds(0);
  }
  const std::string_view unit(rest, static_cast<size_t>(end - rest));
  if (unit == "s") return std::min(kMaxWait, milliseconds(number * 1000));
  return unit == "ms" ? milliseconds(number) : milliseconds(0);
}

bool IsOperator(const http::Peer& peer) {
  return peer.verified &&
         std::find(peer.uris.begin(), peer.uris.end(), http::kOperatorUri) != peer.uris.end();
}

http::Response PostProblem(PostAnswer answer) {
  switch (answer) {
    case PostAnswer::kDeleted:
      return Error(410, "AlreadyDeleted", "this run ended and its result was deleted");
    case PostAnswer::kWrongBoot:
      return Error(409, "WrongBoot", "the claim is for another start of this runner");
    case PostAnswer::kBadId:
      return Error(400, "InvalidArgument", "runId: letters, digits and '-', at most 128", "runId");
    case PostAnswer::kQueueFull:
      return Error(429, "QueueFull", "too many runs wait in this sandbox");
    case PostAnswer::kResultsFull:
      return Error(429, "ResultsFull", "results of earlier runs were not deleted yet");
    case PostAnswer::kWornOut:
      return Error(429, "WornOut", "this sandbox has had all the runs it may have: make a new one");
    case PostAnswer::kCreated:
    case PostAnswer::kKnown:
      break;
  }
  return Error(500, "Internal", "no answer for this state");
}

}  // namespace

RunService::RunService(api::RunnerInfo info, RunTableLimits limits,
                       std::unique_ptr<RunSupervisor> supervisor, std::function<void()> on_failure)
    : info_(std::move(info)),
      supervisor_(std::move(supervisor)),
      on_failure_(std::move(on_failure)),
      table_(info_.boot_id, limits),
      waiters_(kMaxWaiters),
      worker_([this] { Work(); }),
      timer_([this] { ExpireWaiters(); }) {}

RunService::~RunService() {
  Stop();
}

void RunService::Stop() {
  {
    std::unique_lock lock(mutex_);
    if (!std::exchange(stopping_, true) && table_.running()) supervisor_->Cancel();
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
  if (timer_.joinable()) timer_.join();
  std::unique_lock lock(mutex_);
  Answer(waiters_.TakeAll(), lock);
}

void RunService::Handle(http::Request request, http::Responder responder) {
  if (!IsOperator(request.peer)) {
    responder.Send(Error(403, "Forbidden", "only the operator may speak to a runner"));
    return;
  }
  Dispatch(request, std::move(responder));
}

void RunService::Dispatch(const http::Request& request, http::Responder responder) {
  const std::string_view path = request.Path();
  const std::string& method = request.method;
  if (path == "/v1/info" && method == "GET") {
    responder.Send(JsonResponse(200, api::ToJson(info_)));
    return;
  }
  if (path == "/v1/probe") {
    if (method == "POST") return Probe(request, std::move(responder));
    return responder.Send(Error(405, "MethodNotAllowed", "a probe is a POST"));
  }
  if (!path.starts_with(kRuns)) {
    responder.Send(Error(404, "NotFound", "no such path"));
    return;
  }
  std::string run_id(path.substr(kRuns.size()));
  const bool cancel = run_id.ends_with(kCancel);
  if (cancel) run_id.resize(run_id.size() - kCancel.size());
  if (cancel && method == "POST") {
    responder.Send(Cancel(run_id));
  } else if (!cancel && method == "POST") {
    responder.Send(Post(run_id, request));
  } else if (!cancel && method == "GET") {
    Get(run_id, request, std::move(responder));
  } else if (!cancel && method == "DELETE") {
    responder.Send(Delete(run_id));
  } else {
    responder.Send(Error(405, "MethodNotAllowed", "this path does not know that method"));
  }
}

http::Response RunService::Post(const std::string& run_id, const http::Request& request) {
  base::Result<api::Json> json = api::ParseJson(request.body);
  if (!json.ok()) return InvalidArgument(json.status().WithContext("body"));
  base::Result<api::RunRequest> run = api::RunRequestFromJson(*json);
  if (!run.ok()) return InvalidArgument(run.status());
  if (run->network) {
    if (base::Status good = CheckNetwork(*run->network); !good.ok()) return InvalidArgument(good);
  }
  std::unique_lock lock(mutex_);
  if (stopping_) return Error(503, "Unavailable", "this runner is stopping");
  const PostAnswer answer = table_.Post(run_id, std::move(run).value());
  if (answer != PostAnswer::kCreated && answer != PostAnswer::kKnown) return PostProblem(answer);
  changed_.notify_all();
  http::Response response = Describe(run_id);
  response.status = answer == PostAnswer::kCreated ? 201 : 200;
  return response;
}

http::Response RunService::Describe(const std::string& run_id) const {
  const api::RunState* state = table_.Find(run_id);
  if (state == nullptr) return Error(404, "NotFound", "no such run");
  return JsonResponse(200, api::ToJson(*state));
}

void RunService::Get(const std::string& run_id, const http::Request& request,
                     http::Responder responder) {
  const milliseconds wait = ParseWait(http::QueryParameter(request.Query(), "wait"));
  std::optional<uint64_t> number;
  http::Response response;
  {
    std::unique_lock lock(mutex_);
    const api::RunState* state = table_.Find(run_id);
    if (state != nullptr && !state->finished && wait.count() > 0 && !stopping_) {
      number = waiters_.Add({run_id, base::RealClock().MonotonicNow() + wait, responder});
    }
    if (number) {
      changed_.notify_all();
    } else {
      response = Describe(run_id);
    }
  }
  if (!number) {
    responder.Send(std::move(response));
    return;
  }
  responder.OnClosed([this, number] {
    std::unique_lock lock(mutex_);
    waiters_.Remove(*number);
  });
}

http::Response RunService::Cancel(const std::string& run_id) {
  std::unique_lock lock(mutex_);
  switch (table_.Cancel(run_id)) {
    case CancelAnswer::kUnknown:
      return Error(404, "NotFound", "no such run");
    case CancelAnswer::kFinished:
      break;
    case CancelAnswer::kWasQueued:
      Answer(waiters_.TakeFor(run_id), lock);
      break;
    case CancelAnswer::kRunning:
      supervisor_->Cancel();
      break;
  }
  http::Response response = Describe(run_id);
  response.status = 202;
  return response;
}

http::Response RunService::Delete(const std::string& run_id) {
  std::unique_lock lock(mutex_);
  switch (table_.Delete(run_id)) {
    case DeleteAnswer::kUnknown:
      return Error(404, "NotFound", "no such run");
    case DeleteAnswer::kNotFinished:
      return Error(409, "NotFinished", "the run has not ended yet");
    case DeleteAnswer::kDeleted:
      break;
  }
  return {204, {}, ""};
}

// Sends without the lock, and takes it again.
void RunService::Answer(const std::vector<WaitList::Waiter>& waiters,
                        std::unique_lock<std::mutex>& lock) {
  std::vector<http::Response> responses;
  for (const auto& waiter : waiters) responses.push_back(Describe(waiter.run_id));
  lock.unlock();
  for (size_t i = 0; i < waiters.size(); ++i) waiters[i].responder.Send(std::move(responses[i]));
  lock.lock();
}

void RunService::Probe(const http::Request& request, http::Responder responder) {
  const base::Result<api::Json> json = api::ParseJson(request.body);
  if (!json.ok()) return responder.Send(InvalidArgument(json.status().WithContext("body")));
  const base::Result<api::ProbeRequest> probe = api::ProbeRequestFromJson(*json);
  if (!probe.ok()) return responder.Send(InvalidArgument(probe.status()));
  const std::optional<SocketAddress> target = SocketAddress::Parse(probe->address);
  if (!target) {
    return responder.Send(Error(400, "InvalidArgument",
                                "address: must be an IP address and a port, as 192.0.2.7:8082",
                                "address"));
  }
  const auto done = [responder](api::ProbeOutcome outcome) {
    responder.Send(JsonResponse(200, api::ProbeOutcomeToJson(outcome)));
  };
  if (!prober_.Start(*target, milliseconds(probe->timeout_millis), done)) {
    responder.Send(Error(429, "ProbeUnderWay", "another probe is under way"));
  }
}

void RunService::Work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    std::optional<RunTable::Started> next = table_.TakeNext();
    if (!next) {
      changed_.wait(lock);
      continue;
    }
    // Under the lock that Cancel takes: a cancel of the run before cannot reach this one.
    supervisor_->ForgetCancel();
    lock.unlock();
    base::LogInfo("run started", {{"runId", next->run_id}});
    base::Result<api::RunState> state = supervisor_->Run(next->request);
    if (!state.ok()) {
      base::LogError("run left processes",
                     {{"runId", next->run_id}, {"error", state.status().ToString()}});
      on_failure_();
      return;
    }
    base::LogInfo("run ended", {{"runId", next->run_id},
                                {"outcome", api::RunOutcomeName(state->outcome)},
                                {"exitCode", state->exit_code},
                                {"millis", state->duration_millis}});
    lock.lock();
    table_.Finish(next->run_id, std::move(state).value());
    Answer(waiters_.TakeFor(next->run_id), lock);
  }
}

void RunService::ExpireWaiters() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (const auto next = waiters_.NextExpiry()) {
      changed_.wait_until(lock, *next);
    } else {
      changed_.wait(lock);
    }
    const auto expired = waiters_.TakeExpired(base::RealClock().MonotonicNow());
    if (!expired.empty()) Answer(expired, lock);
  }
}

}  // namespace sandgate::runner
