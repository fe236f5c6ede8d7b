#include "tests/sim/sim_world.h"

namespace sandgate::sim {
namespace {

using api::Json;
using op::RunnerClient;
using testing::Fault;

constexpr char kPolicy[] =
    "security: {hitl: {default_rules: false, void_on_workspace_change: %s, rules: [{tools: "
    "[code_execute], risk: LOW},"
    " {tools: [code_execute], risk: HIGH, timeout: 40,"
    "  conditions: [{param: code, matches: risky}]}]}}\n";
constexpr const char* kWatched[] = {"sandboxes.sandgate.dev", "executions.sandgate.dev",
                                    "approvals.sandgate.dev", "pods",
                                    "networkpolicies.networking.k8s.io"};

const http::CertificateAuthority& Authority() {
  static const auto authority = http::CertificateAuthority::Create(
      "sim", std::chrono::hours(24 * 3650), *base::ParseTime("2030-01-01T00:00:00Z"));
  return *authority;
}

// As the field and label selectors of the operator's informers do.
bool Matches(const std::string& resource, const Json& object) {
  if (object.is_null()) return false;
  const std::string phase = api::StringOr(api::Member(object, "status"), "phase");
  if (resource.starts_with("executions")) {
    const auto parsed = api::ParsePhase(phase);
    return !parsed || !api::IsTerminal(*parsed);
  }
  if (resource.starts_with("approvals")) {
    return phase != "Approved" && phase != "Denied" && phase != "Expired";
  }
  return true;
}

std::string Plural(const std::string& resource) {
  return resource.substr(0, resource.find('.'));
}

class NoTransport final : public rest::Transport {
  base::Result<rest::Response> Do(const rest::Request&) override {
    return rest::Response{200, "{}", {}};
  }
  base::Status Stream(const rest::Request&, std::chrono::milliseconds, std::stop_token,
                      const std::function<bool(std::string_view)>&, rest::Response*) override {
    return base::Status(base::Code::kUnavailable, "none");
  }
};

}  // namespace

World::World(uint64_t seed)
    : chance_(seed),
      server_(std::make_shared<testing::FakeTransport>(clock_)),
      runners_(
          chance_,
          [this](const api::RunRequest& request, const std::string& run_id,
                 const std::string& sandbox_uid) { OnRunStart(request, run_id, sandbox_uid); }),
      events_(std::make_unique<kube::EventRecorder>(kube::Api(std::make_shared<NoTransport>()),
                                                    "sim", "sim")) {
  settings_.idle_timeout = settings_.ttl = std::chrono::seconds(0);
  settings_.ready_deadline = std::chrono::seconds(120);
  PutEgressService();
  std::string yaml = kPolicy;
  yaml.replace(yaml.find("%s"), 2, seed % 4 == 0 ? "true" : "false");
  const auto loaded = policy::Policy::Load(yaml, "sim");
  if (!loaded.ok()) {
    Problem(loaded.status().message());
    return;
  }
  policy_ = *loaded;
  // A kill lies before a write or after it; the rest of that pass speaks to nobody.
  server_->fault = [this](const testing::Call& call) {
    if (dying_) return Fault::kUnreachable;
    if (!faults_) return Fault::kNone;
    MakeSlow(call);
    if (call.IsWrite() && chance_.OneIn(25)) {
      dying_ = true;
      return chance_.OneIn(2) ? Fault::kUnreachable : Fault::kLostAnswer;
    }
    if (!chance_.OneIn(15)) return Fault::kNone;
    constexpr Fault kFaults[] = {Fault::kUnreachable, Fault::kLostAnswer, Fault::kServerError};
    return kFaults[chance_.Pick(3)];
  };
  server_->after_call = [this](const testing::Call& call, unsigned) {
    OnWritten(call);
    if (faults_) MakeSlow(call);  // the answer
  };
  StartOperator();
}

World::~World() = default;

void World::StartOperator() {
  dying_ = false;
  life_ = std::make_unique<OperatorLife>(clock_);
  OperatorLife* life = life_.get();
  const kube::Api api(server_);
  const auto wake_sandbox = [life](const kube::Key& key) {
    life->sandbox_queue.Add(key);
    for (const auto& one : life->caches->Executions()) {
      if (one->meta.ns == key.ns && one->spec.sandbox_name == key.name) {
        life->execution_queue.Add({one->meta.ns, one->meta.name});
      }
    }
  };
  const auto wake_execution = [life](const kube::Key& key) { life->execution_queue.Add(key); };
  life->caches = std::make_unique<op::Caches>(
      api, op::CacheCallbacks{wake_sandbox, wake_execution,
                              [life, wake_sandbox](const api::Execution& last) {
                                life->executions->Left(last);
                                wake_sandbox({last.meta.ns, last.spec.sandbox_name});
                              },
                              [life](const std::string& ns) {
                                for (const auto& one : life->caches->Sandboxes()) {
                                  if (one->meta.ns == ns) {
                                    life->sandbox_queue.Add({ns, one->meta.name});
                                  }
                                }
                              }});
  life->cluster = std::make_unique<op::Cluster>(api, [](const std::string&, const std::string&) {});
  auto client = std::make_unique<SimClient>(runners_, chance_, faults_);
  life->client = client.get();
  life->runners = std::make_unique<RunnerClient>(
      std::move(client), clock_, [life](const kube::Key& key) { life->sandbox_queue.Add(key); },
      wake_execution);
  life->egress = std::make_unique<op::EgressGrants>(op::EgressOptions{"sandgate-egress", ""}, api,
                                                    settings_, clock_);
  const op::ControllerParts parts{
      settings_,
      clock_,
      *life->caches,
      *life->cluster,
      *life->runners,
      *events_,
      audit_,
      [this](const std::string&) {
        return op::PolicyView{policy_, std::nullopt, true};
      },
      [this] {
        using State = op::GuardView::State;
        return op::GuardView{guard_broken_ ? State::kBroken : State::kIntact, "by the simulator"};
      },
      *life->egress};
  life->sandboxes =
      std::make_unique<op::SandboxController>(parts, Authority(), life->sandbox_queue);
  life->executions = std::make_unique<op::ExecutionController>(
      parts, life->execution_queue,
      op::ExecutionObserver{[](const api::Execution&, const api::ExecutionStatus&) {},
                            {[](api::ApprovalPhase, std::chrono::seconds) {}}});
  // The first lists.
  for (const char* resource : kWatched) life->seen[resource] = server_->revision();
  for (const kube::Resource* resource : {&kube::kSandboxes, &kube::kExecutions, &kube::kApprovals,
                                         &kube::kPods, &kube::kNetworkPolicies}) {
    for (const Json& object : server_->All(*resource)) {
      if (!Matches(testing::NameOf(*resource), object)) continue;
      life->caches->Feed(resource->plural, kube::KeyOf(object), &object);
    }
  }
}

// Some calls hang, and then arrive after all.
// Those that take an approval up for about as long as a human has.
void World::MakeSlow(const testing::Call& call) {
  if (!call.IsWrite()) return;
  const bool approval = call.body.find("Approved") != std::string::npos;
  if (!chance_.OneIn(approval ? 3 : 30)) return;
  clock_.Advance(std::chrono::milliseconds(1 + chance_.Pick(approval ? 45'000 : 5'000)));
}

// One event of one watch; watches of different kinds are not in step with each other.
bool World::FeedOne() {
  const std::string resource = kWatched[chance_.Pick(std::size(kWatched))];
  int64_t& seen = life_->seen[resource];
  if (seen == server_->revision()) return false;
  for (const testing::Change& change : server_->ChangesSince(seen)) {
    if (change.key.resource != resource) continue;
    seen = change.revision;
    const bool before = Matches(resource, change.before), after = Matches(resource, change.after);
    if (before || after) {
      life_->caches->Feed(Plural(resource), {change.key.ns, change.key.name},
                          after ? &change.after : nullptr);
    }
    return true;
  }
  seen = server_->revision();
  return false;
}

bool World::WorkOne() {
  const bool sandbox = chance_.OneIn(2);
  kube::WorkQueue& queue = sandbox ? life_->sandbox_queue : life_->execution_queue;
  const auto key = queue.TryGet();
  if (!key) return false;
  const base::Status status =
      sandbox ? life_->sandboxes->Reconcile(*key) : life_->executions->Reconcile(*key);
  op::Requeue(status, *key, &queue);
  queue.Done(*key);
  CheckHistory();
  if (dying_) {
    KillOperator();
    StartOperator();
  }
  return true;
}

void World::ChaosStep() {
  switch (chance_.Pick(20)) {
    case 0:
      AgentActs();
      break;
    case 1:
    case 16:
      ApproverActs();
      break;
    case 2:
    case 17:
      KubeletActs();
      break;
    case 3:
      runners_.FinishOne();
      break;
    case 4:
      clock_.Advance(std::chrono::milliseconds(1 + chance_.Pick(2'000)));
      break;
    case 5:
      if (chance_.OneIn(10)) VandalActs();
      if (chance_.OneIn(10)) EgressVandalActs();
      break;
    case 6:
      if (chance_.OneIn(20)) {
        KillOperator();
        StartOperator();
      }
      break;
    case 7:
      server_->CollectGarbage();
      break;
    case 8:
    case 9:
      life_->client->Step();
      break;
    case 10:
    case 11:
    case 12:
      FeedOne();
      break;
    default:
      WorkOne();
  }
}

bool World::PeaceStep() {
  bool moved = false;
  for (int i = 0; i < 12; ++i) moved |= FeedOne();
  for (int i = 0; i < 6; ++i) moved |= WorkOne();
  moved |= life_->client->Step();
  moved |= KubeletActs();
  if (chance_.OneIn(4)) moved |= runners_.FinishOne();
  moved |= server_->CollectGarbage() > 0;
  return moved;
}

// Lets `seconds` pass in which nothing new is asked for.
void World::Settle(int seconds) {
  constexpr int kStep = 4;
  for (int second = 0; second < seconds; second += kStep) {
    for (int i = 0; i < 50 && PeaceStep(); ++i) {
    }
    clock_.Advance(std::chrono::seconds(kStep));
  }
}

void World::Run(int steps) {
  if (!policy_) return;
  for (int i = 0; i < steps && problems_.empty(); ++i) {
    ChaosStep();
    CheckHistory();
  }
  faults_ = false;
  guard_broken_ = false;
  PutEgressService();
  if (dying_) {
    KillOperator();
    StartOperator();
  }
  constexpr int kLongestExecution = 600;  // a sandbox's deadline, a queue, a run and its grace
  Settle(kLongestExecution);              // I6: once faults stop, everything ends
  CheckEnd();
  const int64_t quiet = server_->revision();
  Settle(kLongestExecution);
  if (server_->revision() != quiet) Problem("I10: something was written in a quiet cluster");
}

}  // namespace sandgate::sim
