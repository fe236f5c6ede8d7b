#include "tests/crash/runners.h"

#include <algorithm>

#include "libs/api/run_network.h"
#include "libs/http/tls.h"

namespace sandgate::crash {
namespace {

using base::Code;
using base::Status;
using runner::PostAnswer;

constexpr std::string_view kRuns = "/v1/runs/";
constexpr std::string_view kCancel = "/cancel";
constexpr std::chrono::seconds kLongPoll{30};
constexpr size_t kLargeOutput = 100 * 1024;  // more than fits inline

http::Response Answer(unsigned status, const api::Json& json = api::Json::object()) {
  return {status, {}, api::DumpJson(json)};
}

std::string RunIdOf(const http::Request& request) {
  std::string_view id = request.Path();
  if (!id.starts_with(kRuns)) return "";
  id.remove_prefix(kRuns.size());
  if (id.ends_with(kCancel)) id.remove_suffix(kCancel.size());
  return std::string(id);
}

}  // namespace

class Runners::Client final : public http::Client {
 public:
  Client(Runners& runners, std::function<bool()> send)
      : runners_(runners), send_(std::move(send)) {}
  ~Client() override { runners_.Orphan(this); }

  void Call(const http::Endpoint& endpoint, http::Request request, http::CallOptions options,
            Callback callback) override {
    if (!send_()) return;
    const bool waits = request.method == "GET" && !request.Query().empty();
    const base::Time until = runners_.clock_.Now() + (waits ? kLongPoll : kLongPoll * 0);
    runners_.flights_.push_back({this, endpoint.address, options.expected_uri, std::move(request),
                                 std::move(callback), until});
  }
  Status ReloadTls(const http::TlsIdentity&, const std::string&) override { return Status::Ok(); }

 private:
  Runners& runners_;
  const std::function<bool()> send_;
};

std::unique_ptr<http::Client> Runners::NewClient(std::function<bool()> send) {
  return std::make_unique<Client>(*this, std::move(send));
}

// The process is gone. Some of what it sent is on the wire.
void Runners::Orphan(const Client* sender) {
  std::deque<Flight> mine;
  for (Flight& flight : std::exchange(flights_, {})) {
    (flight.sender == sender ? mine : flights_).push_back(std::move(flight));
  }
  for (Flight& flight : mine) {
    const auto callback = std::exchange(flight.callback, nullptr);
    if (callback) callback(Status(Code::kCancelled, "the client ends"));
    flight.sender = nullptr;
    if (Chance(50)) flights_.push_back(std::move(flight));
  }
}

void Runners::Boot(const std::string& ip, const std::string& pod_uid,
                   const std::string& sandbox_uid) {
  runner::RunTable table("boot-" + std::to_string(++boots_), {});
  runners_.emplace(ip, Runner{pod_uid, sandbox_uid, std::move(table), {}, "", {}});
}

void Runners::Kill(const std::string& pod_uid) {
  std::erase_if(runners_, [&](const auto& one) { return one.second.pod_uid == pod_uid; });
}

bool Runners::Has(const std::string& pod_uid) const {
  return std::any_of(runners_.begin(), runners_.end(),
                     [&](const auto& one) { return one.second.pod_uid == pod_uid; });
}

std::vector<std::string> Runners::Pods() const {
  std::vector<std::string> pods;
  for (const auto& [ip, runner] : runners_) pods.push_back(runner.pod_uid);
  return pods;
}

void Runners::Tick() {
  for (auto& [ip, runner] : runners_) Advance(runner);
}

void Runners::Advance(Runner& runner) {
  for (;;) {
    if (!runner.run_id.empty()) {
      if (clock_.Now() < runner.ends) return;
      runner.table.Finish(std::exchange(runner.run_id, ""), runner.result);
    }
    const auto next = runner.table.TakeNext();
    if (!next) return;
    starts_.push_back({revision_(), audited_(), next->run_id, next->request.code,
                       runner.sandbox_uid, runner.pod_uid, next->request.network});
    const std::chrono::milliseconds wants{random_() % 12'000}, may{next->request.timeout_millis};
    runner.run_id = next->run_id;
    runner.ends = clock_.Now() + std::min(wants, may);
    runner.result = {};
    runner.result.outcome = wants < may ? api::RunOutcome::kExited : api::RunOutcome::kTimedOut;
    runner.result.exit_code = Chance(20) ? 1 : 0;
    runner.result.out = Chance(10) ? std::string(kLargeOutput, 'x') : "done\n";
  }
}

// The runner answers a long poll when the run has ended, or when the wait is over.
bool Runners::MustWait(const Flight& flight) const {
  if (clock_.Now() >= flight.waits_until) return false;
  const auto found = runners_.find(flight.ip);
  if (found == runners_.end()) return false;
  const api::RunState* state = found->second.table.Find(RunIdOf(flight.request));
  return state != nullptr && !state->finished;
}

bool Runners::DeliverOne(bool faults) {
  std::vector<size_t> ready;
  for (size_t i = 0; i < flights_.size(); ++i) {
    if (!MustWait(flights_[i])) ready.push_back(i);
  }
  if (ready.empty()) return false;
  const auto at = flights_.begin() + static_cast<std::ptrdiff_t>(ready[random_() % ready.size()]);
  const Flight flight = std::move(*at);
  flights_.erase(at);
  const bool lost = faults && Chance(10);
  const bool answer_lost = faults && Chance(10);
  base::Result<http::Response> answer = Status(Code::kUnavailable, "refused (by the simulator)");
  if (!lost) answer = Arrive(flight);
  if (answer_lost && !lost) answer = Status(Code::kDeadlineExceeded, "lost (by the simulator)");
  if (flight.callback) flight.callback(std::move(answer));
  return true;
}

base::Result<http::Response> Runners::Arrive(const Flight& flight) {
  const auto found = runners_.find(flight.ip);
  if (found == runners_.end()) return Status(Code::kUnavailable, "no route to the pod");
  Runner& runner = found->second;
  if (flight.expected_uri != http::SandboxUri(runner.sandbox_uid)) {
    return Status(Code::kUnauthenticated, "another sandbox's runner");
  }
  http::Response response = Serve(flight.ip, runner, flight.request);
  Advance(runner);
  return response;
}

http::Response Runners::Serve(const std::string& ip, Runner& runner, const http::Request& request) {
  if (request.Path() == "/v1/info") {
    return Answer(200,
                  api::ToJson(api::RunnerInfo{runner.table.boot_id(), "1", runner.sandbox_uid}));
  }
  if (request.Path() == "/v1/probe") {
    const bool left = leaves_(ip, runner.sandbox_uid);
    return Answer(200, api::ProbeOutcomeToJson(left ? api::ProbeOutcome::kConnected
                                                    : api::ProbeOutcome::kTimedOut));
  }
  const std::string run_id = RunIdOf(request);
  const api::RunState* state = runner.table.Find(run_id);
  if (request.method == "GET") {
    return state == nullptr ? Answer(404) : Answer(200, api::ToJson(*state));
  }
  if (request.method == "DELETE") {
    const runner::DeleteAnswer answer = runner.table.Delete(run_id);
    if (answer == runner::DeleteAnswer::kUnknown) return Answer(404);
    return Answer(answer == runner::DeleteAnswer::kDeleted ? 204 : 409);
  }
  if (!request.Path().ends_with(kCancel)) return Post(runner, run_id, request.body);
  const runner::CancelAnswer cancel = runner.table.Cancel(run_id);
  if (cancel == runner::CancelAnswer::kUnknown) return Answer(404);
  if (cancel == runner::CancelAnswer::kRunning) {
    runner.ends = clock_.Now();
    runner.result.outcome = api::RunOutcome::kCancelled;
    runner.result.exit_code = -1;
  }
  return Answer(202, api::ToJson(*runner.table.Find(run_id)));
}

http::Response Runners::Post(Runner& runner, const std::string& run_id, const std::string& body) {
  const auto json = api::ParseJson(body);
  if (!json.ok()) return Answer(400);
  auto request = api::RunRequestFromJson(*json);
  if (!request.ok()) return Answer(400);
  switch (runner.table.Post(run_id, std::move(request).value())) {
    case PostAnswer::kCreated:
      Advance(runner);
      return Answer(201, api::ToJson(*runner.table.Find(run_id)));
    case PostAnswer::kKnown:
      return Answer(200, api::ToJson(*runner.table.Find(run_id)));
    case PostAnswer::kDeleted:
      return Answer(410);
    case PostAnswer::kWrongBoot:
      return Answer(409);
    case PostAnswer::kBadId:
      return Answer(400);
    case PostAnswer::kQueueFull:
    case PostAnswer::kResultsFull:
    case PostAnswer::kWornOut:
      break;
  }
  return Answer(429);
}

}  // namespace sandgate::crash
