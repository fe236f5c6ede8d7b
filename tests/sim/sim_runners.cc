#include "tests/sim/sim_runners.h"

namespace sandgate::sim {
namespace {

using api::Json;
using base::Code;
using http::Response;

Response Reply(unsigned status, const Json& body) {
  return {status, {}, api::DumpJson(body)};
}

Response Refusal(unsigned status) {
  return Reply(status, {{"error", {{"code", "No"}, {"message", "refused by the runner"}}}});
}

}  // namespace

void SimRunners::Boot(const std::string& ip, const std::string& sandbox_uid) {
  runners_[ip] = Runner{sandbox_uid, "boot-" + std::to_string(++boots_), {}, {}};
}

bool SimRunners::FinishOne() {
  for (auto& [ip, runner] : runners_) {
    for (auto& [id, run] : runner.runs) {
      if (run.finished || (chance_.OneIn(3) && runner.runs.size() > 1)) continue;
      run.finished = true;
      run.exit_code = static_cast<int64_t>(chance_.Pick(2));
      // Longer than what fits inline, now and then.
      run.out = chance_.OneIn(4) ? std::string(100'000, 'x') : "out";
      return true;
    }
  }
  return false;
}

Response SimRunners::Post(Runner* runner, const std::string& run_id, const std::string& body) {
  const auto json = api::ParseJson(body);
  const auto run = json.ok() ? api::RunRequestFromJson(*json) : json.status();
  if (!run.ok()) return Refusal(400);
  if (run->boot_id != runner->boot_id) return Refusal(409);
  if (const auto found = runner->runs.find(run_id); found != runner->runs.end()) {
    return Reply(200, api::ToJson(found->second));
  }
  if (!runner->known.insert(run_id).second) return Refusal(410);
  on_start_(*run, run_id, runner->sandbox_uid);
  api::RunState state;
  state.run_id = run_id;
  state.started = true;
  runner->runs[run_id] = state;
  return Reply(201, api::ToJson(state));
}

std::optional<Response> SimRunners::Get(const Runner& runner, const std::string& run_id,
                                        bool wait) {
  const auto found = runner.runs.find(run_id);
  if (found == runner.runs.end()) return Refusal(404);
  if (!found->second.finished && wait && !chance_.OneIn(8)) return std::nullopt;
  return Reply(200, api::ToJson(found->second));
}

std::optional<base::Result<Response>> SimRunners::Serve(const http::Endpoint& endpoint,
                                                        const http::Request& request,
                                                        const std::string& expected_uri) {
  const auto at = runners_.find(endpoint.address);
  if (at == runners_.end()) return base::Status(Code::kUnavailable, "no runner there");
  Runner& runner = at->second;
  if (http::SandboxUri(runner.sandbox_uid) != expected_uri) {
    return base::Status(Code::kUnauthenticated, "another sandbox's certificate");
  }
  const std::string path(request.Path());
  if (path == "/v1/info") {
    return Reply(200, api::ToJson(api::RunnerInfo{runner.boot_id, "sim", runner.sandbox_uid}));
  }
  std::string run_id = path.substr(std::string("/v1/runs/").size());
  if (run_id.ends_with("/cancel")) {
    const auto run = runner.runs.find(run_id.substr(0, run_id.size() - 7));
    if (run == runner.runs.end()) return Refusal(404);
    if (!run->second.finished) {
      run->second.finished = true;
      run->second.outcome = api::RunOutcome::kCancelled;
      run->second.exit_code = 143;
    }
    return Reply(202, api::ToJson(run->second));
  }
  if (request.method == "POST") return Post(&runner, run_id, request.body);
  if (request.method == "DELETE") {
    const auto run = runner.runs.find(run_id);
    if (run == runner.runs.end()) return Refusal(404);
    if (!run->second.finished) return Refusal(409);
    runner.runs.erase(run);
    return Response{204, {}, ""};
  }
  auto answer = Get(runner, run_id, !request.Query().empty());
  if (!answer) return std::nullopt;
  return *std::move(answer);
}

void SimClient::Call(const http::Endpoint& endpoint, http::Request request,
                     http::CallOptions options, Callback callback) {
  open_.push_back({endpoint, std::move(request), options.expected_uri, std::move(callback)});
}

bool SimClient::Step() {
  if (open_.empty()) return false;
  const size_t index = chance_.Pick(open_.size());
  Open one = std::move(open_[index]);
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  if (faults_ && chance_.OneIn(8)) {
    one.callback(base::Status(Code::kUnavailable, "never sent (by the simulator)"));
    return true;
  }
  auto answer = runners_.Serve(one.endpoint, one.request, one.expected_uri);
  if (!answer) {
    open_.push_back(std::move(one));
    return false;
  }
  if (faults_ && chance_.OneIn(8)) {
    one.callback(base::Status(Code::kInternal, "the answer was lost (by the simulator)"));
  } else {
    one.callback(*std::move(answer));
  }
  return true;
}

}  // namespace sandgate::sim
