#include "operator/runner_client.h"

#include "libs/api/runner_protocol.h"

namespace sandgate::op {
namespace {

using std::chrono::milliseconds;
using Stage = RunView::Stage;

constexpr milliseconds kCallDeadline{10'000};
constexpr milliseconds kPoll{30'000};
constexpr milliseconds kPollSlack{10'000};
constexpr milliseconds kProbeDeadline{3'000};
constexpr milliseconds kProbeRetry{100};
constexpr milliseconds kRunRetry{500};
constexpr size_t kMaxProblemBytes = 512;
// Beside the two streams, an answer has a few hundred bytes, or one page of a listing.
constexpr size_t kAnswerSlackBytes = 64 * 1024 + 2 * api::kMaxListBytes;

http::Endpoint EndpointOf(const std::string& pod_ip) {
  return {pod_ip, api::kRunnerPort};
}

http::CallOptions OptionsFor(const std::string& sandbox_uid, milliseconds deadline,
                             size_t max_response_bytes = kAnswerSlackBytes) {
  http::CallOptions options;
  options.expected_uri = http::SandboxUri(sandbox_uid);
  options.deadline = deadline;
  options.max_response_bytes = max_response_bytes;
  return options;
}

http::Request MakeRequest(const char* method, std::string target, std::string body = "") {
  http::Request request;
  request.method = method;
  request.target = std::move(target);
  if (!body.empty()) request.headers.push_back({"Content-Type", "application/json"});
  request.body = std::move(body);
  return request;
}

std::string RunTarget(const std::string& run_id, const char* rest = "") {
  return "/v1/runs/" + run_id + rest;
}

// Two streams in base64.
size_t MaxStateBytes(int64_t output_bytes) {
  return static_cast<size_t>(output_bytes) * 8 / 3 + kAnswerSlackBytes;
}

// What a runner said beside its status; it is untrusted, so it is cut and made UTF-8.
std::string ProblemOf(const http::Response& response) {
  std::string text = "the runner answered " + std::to_string(response.status);
  const auto json = api::ParseJson(response.body);
  if (json.ok()) {
    const std::string message = api::StringOr(api::Member(*json, "error"), "message");
    if (!message.empty()) text += ": " + message.substr(0, kMaxProblemBytes);
  }
  bool replaced = false;
  return api::ToUtf8(text, &replaced);
}

}  // namespace

RunnerClient::RunnerClient(std::unique_ptr<http::Client> client, const base::Clock& clock,
                           Wake wake_sandbox, Wake wake_execution)
    : clock_(clock),
      wake_sandbox_(std::move(wake_sandbox)),
      wake_execution_(std::move(wake_execution)),
      client_(std::move(client)) {}

RunnerClient::~RunnerClient() {
  client_.reset();
}

Probe RunnerClient::ProbeFrom(const Answer& answer, const std::string& sandbox_uid) const {
  Probe probe;
  probe.state = Probe::State::kFailed;
  probe.retry_at = clock_.Now() + kProbeRetry;
  if (!answer.ok()) {
    probe.problem = answer.status().message();
    return probe;
  }
  const auto json = api::ParseJson(answer->body);
  if (answer->status != 200 || !json.ok()) {
    probe.problem = ProblemOf(*answer);
    return probe;
  }
  auto info = api::RunnerInfoFromJson(*json);
  if (!info.ok() || info->sandbox_uid != sandbox_uid) {
    probe.problem = info.ok() ? "it is another sandbox's runner" : info.status().message();
    return probe;
  }
  probe.state = Probe::State::kAnswered;
  probe.info = std::move(info).value();
  return probe;
}

void RunnerClient::Ask(const kube::Key& sandbox, const std::string& uid,
                       const std::string& pod_ip) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    probes_[uid].state = Probe::State::kAsking;
  }
  client_->Call(EndpointOf(pod_ip), MakeRequest("GET", "/v1/info"), OptionsFor(uid, kProbeDeadline),
                [this, sandbox, uid](Answer answer) {
                  {
                    const std::lock_guard<std::mutex> lock(mutex_);
                    const auto found = probes_.find(uid);
                    if (found != probes_.end()) found->second = ProbeFrom(answer, uid);
                  }
                  wake_sandbox_(sandbox);
                });
}

Probe RunnerClient::ProbeOf(const std::string& sandbox_uid) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = probes_.find(sandbox_uid);
  return found == probes_.end() ? Probe{} : found->second;
}

void RunnerClient::ForgetSandbox(const std::string& sandbox_uid) {
  const std::lock_guard<std::mutex> lock(mutex_);
  probes_.erase(sandbox_uid);
}

void RunnerClient::TryReach(const std::string& sandbox_uid, const std::string& pod_ip,
                            const api::ProbeRequest& request, Tried done) {
  client_->Call(EndpointOf(pod_ip),
                MakeRequest("POST", "/v1/probe", api::DumpJson(api::ToJson(request))),
                OptionsFor(sandbox_uid, kProbeDeadline + milliseconds(request.timeout_millis)),
                [done = std::move(done)](const Answer& answer) {
                  if (!answer.ok()) return done(answer.status());
                  const auto json = api::ParseJson(answer->body);
                  if (answer->status != 200 || !json.ok()) {
                    return done(base::Status(base::Code::kUnavailable, ProblemOf(*answer)));
                  }
                  done(api::ProbeOutcomeFromJson(*json));
                });
}

void RunnerClient::Set(const std::string& execution_uid, const Change& change) {
  const std::lock_guard<std::mutex> lock(mutex_);
  change(&runs_[execution_uid]);
}

// An answer about a run that was forgotten meanwhile is nobody's.
void RunnerClient::Update(const kube::Key& execution, const std::string& execution_uid,
                          const Change& change) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = runs_.find(execution_uid);
    if (found == runs_.end()) return;
    change(&found->second);
  }
  wake_execution_(execution);
}

void RunnerClient::Unreachable(RunView* view, const std::string& problem) const {
  view->stage = Stage::kUnreachable;
  view->problem = problem;
  view->retry_at = clock_.Now() + kRunRetry;
}

// What a 200 or 201 about a run says. A runner that lies is one that does not answer: the run's
// own deadline ends the wait.
void RunnerClient::TakeState(const RunPlace& place, const std::string& body, RunView* view) const {
  const auto json = api::ParseJson(body);
  auto state = json.ok() ? api::RunStateFromJson(*json, place.output_bytes)
                         : base::Result<api::RunState>(json.status());
  if (!state.ok() || state->run_id != place.run_id) {
    return Unreachable(view, "the runner's answer is not usable: " +
                                 (state.ok() ? "another run" : state.status().message()));
  }
  view->stage = state->finished ? Stage::kFinished : Stage::kAccepted;
  if (state->finished) {
    view->state = std::make_shared<const api::RunState>(std::move(state).value());
  }
}

void RunnerClient::Start(const kube::Key& execution, const std::string& execution_uid,
                         const Admitted& admitted, std::optional<api::RunNetwork> network) {
  if (network.has_value() == admitted.domains().empty()) {  // the last door, whoever calls
    return Set(execution_uid, [this](RunView* view) { Unreachable(view, "no network"); });
  }
  api::RunRequest request = admitted.request();
  request.network = std::move(network);
  const RunPlace place{admitted.pod_ip(), admitted.sandbox_uid(), admitted.claim().run_id,
                       admitted.output_bytes()};
  Set(execution_uid, [](RunView* view) { view->stage = Stage::kAsking; });
  // A run that ended while no operator was there is answered with its whole result.
  client_->Call(EndpointOf(place.pod_ip),
                MakeRequest("POST", RunTarget(place.run_id), api::DumpJson(api::ToJson(request))),
                OptionsFor(place.sandbox_uid, kCallDeadline, MaxStateBytes(place.output_bytes)),
                [this, execution, execution_uid, place](Answer answer) {
                  Update(execution, execution_uid, [&](RunView* view) {
                    if (!answer.ok()) return Unreachable(view, answer.status().message());
                    if (answer->status == 200 || answer->status == 201) {
                      TakeState(place, answer->body, view);
                    } else if (answer->status == 429 || answer->status >= 500) {
                      Unreachable(view, ProblemOf(*answer));
                    } else {
                      view->stage = Stage::kRefused;
                      view->problem = ProblemOf(*answer);
                    }
                  });
                });
}

void RunnerClient::Follow(const kube::Key& execution, const std::string& execution_uid,
                          const RunPlace& place) {
  Set(execution_uid, [](RunView* view) { view->stage = Stage::kAsking; });
  const auto on_answer = [this, execution, execution_uid, place](Answer answer) {
    Update(execution, execution_uid, [&](RunView* view) {
      if (!answer.ok()) return Unreachable(view, answer.status().message());
      if (answer->status == 404) {
        view->stage = Stage::kMissing;
        return;
      }
      if (answer->status != 200) return Unreachable(view, ProblemOf(*answer));
      TakeState(place, answer->body, view);
    });
  };
  client_->Call(
      EndpointOf(place.pod_ip), MakeRequest("GET", RunTarget(place.run_id, "?wait=30s")),
      OptionsFor(place.sandbox_uid, kPoll + kPollSlack, MaxStateBytes(place.output_bytes)),
      on_answer);
}

void RunnerClient::Cancel(const kube::Key& execution, const std::string& execution_uid,
                          const RunPlace& place) {
  Set(execution_uid, [](RunView* view) { view->cancel_sent = true; });
  client_->Call(EndpointOf(place.pod_ip), MakeRequest("POST", RunTarget(place.run_id, "/cancel")),
                OptionsFor(place.sandbox_uid, kCallDeadline),
                [this, execution, execution_uid](Answer answer) {
                  Update(execution, execution_uid, [&](RunView* view) {
                    if (answer.ok() && answer->status < 500) return;
                    view->cancel_sent = false;  // again with the next pass
                    if (view->stage == Stage::kAsking) return;
                    Unreachable(view, answer.ok() ? ProblemOf(*answer) : answer.status().message());
                  });
                });
}

void RunnerClient::Release(const std::string& execution_uid, const RunPlace& place) {
  ForgetRun(execution_uid);
  client_->Call(EndpointOf(place.pod_ip), MakeRequest("DELETE", RunTarget(place.run_id)),
                OptionsFor(place.sandbox_uid, kCallDeadline), [](const Answer&) {});
}

void RunnerClient::Abandon(const std::string& execution_uid, const RunPlace& place) {
  const Stage stage = ViewOf(execution_uid).stage;
  ForgetRun(execution_uid);
  if (stage == Stage::kUnknown || stage == Stage::kFinished) return;
  client_->Call(
      EndpointOf(place.pod_ip), MakeRequest("POST", RunTarget(place.run_id, "/cancel")),
      OptionsFor(place.sandbox_uid, kCallDeadline, MaxStateBytes(place.output_bytes)),
      [this, place](const Answer& answer) {
        if (!answer.ok() || answer->status != 202) return;
        // Its end, then the end of its result.
        client_->Call(
            EndpointOf(place.pod_ip), MakeRequest("GET", RunTarget(place.run_id, "?wait=10s")),
            OptionsFor(place.sandbox_uid, kPoll, MaxStateBytes(place.output_bytes)),
            [this, place](const Answer& ended) {
              if (!ended.ok() || ended->status != 200) return;
              client_->Call(EndpointOf(place.pod_ip),
                            MakeRequest("DELETE", RunTarget(place.run_id)),
                            OptionsFor(place.sandbox_uid, kCallDeadline), [](const Answer&) {});
            });
      });
}

RunView RunnerClient::ViewOf(const std::string& execution_uid) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = runs_.find(execution_uid);
  return found == runs_.end() ? RunView{} : found->second;
}

void RunnerClient::ForgetRun(const std::string& execution_uid) {
  const std::lock_guard<std::mutex> lock(mutex_);
  runs_.erase(execution_uid);
}

}  // namespace sandgate::op
