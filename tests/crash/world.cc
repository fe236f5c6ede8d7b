#include "tests/crash/world.h"

#include <algorithm>

#include "libs/api/approval.h"

namespace sandgate::crash {
namespace {

using api::Json;
using api::Member;
using api::StringOr;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMaxExecutions = 8;
constexpr int kPassesToRest = 3'000;
constexpr const char* kSandboxes[] = {"box-a", "box-b"};
constexpr const char* kAgents[] = {"agent-a", "agent-b"};
constexpr const char* kAddresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

const http::CertificateAuthority& Authority() {
  static const auto* const authority = new http::CertificateAuthority(
      *http::CertificateAuthority::Create("sim", std::chrono::hours(24), ManualClock().Now()));
  return *authority;
}

std::string Name(const Json& object) {
  return StringOr(Member(object, "metadata"), "name");
}

std::string Uid(const Json& object) {
  return StringOr(Member(object, "metadata"), "uid");
}

Json Meta(const std::string& name) {
  return {{"namespace", kNamespace}, {"name", name}};
}

// Half of the code needs a human, who has little time.
std::shared_ptr<const policy::Policy> SimPolicy() {
  return *policy::Policy::Load(
      "security: {hitl: {default_rules: false, rules: [{tools: [code_execute], risk: LOW},"
      " {tools: [code_execute], risk: HIGH, timeout: 4,"
      "  conditions: [{param: code, matches: risky}]}]}}\n",
      "policy.yaml");
}

}  // namespace

World::World(uint64_t seed)
    : random_(seed),
      events_(std::make_shared<testing::FakeTransport>()),
      policy_(SimPolicy()),
      runners_(
          clock_, random_, [this] { return server_.revision(); }, [this] { return audit_.size(); },
          [this](const std::string& ip, const std::string& uid) { return Leaves(ip, uid); }) {
  settings_.idle_timeout = settings_.ttl = seconds(0);
  fault_percent_ = static_cast<int>(random_() % 3) * 8;
  crash_percent_ = static_cast<int>(random_() % 3) * 3;
  audit_fault_percent_ = static_cast<int>(random_() % 2) * 4;
  measures_ = Chance(70);
  enforces_ = Chance(70);
  settings_.require_isolation = measures_;
  PutEgressService();
  for (const char* name : kSandboxes) PutSandbox(name);
  server_.after_call = [this](const testing::Call& call, unsigned) { OnWritten(call); };
  process_ = std::make_unique<OperatorProcess>(Around());
}

// One of the two may be granted network.
void World::PutSandbox(const char* name) {
  Json network = {{"enabled", name == kSandboxes[1]}};
  if (name == kSandboxes[1]) network["allowedDomains"] = {"A.example.", "*.b.example"};
  server_.Put(kube::kSandboxes, {{"metadata", Meta(name)},
                                 {"spec",
                                  {{"language", "python"},
                                   {"shared", true},
                                   {"network", std::move(network)},
                                   {"requester", {{"username", kAgents[0]}}}}}});
}

bool World::Leaves(const std::string& ip, const std::string& sandbox_uid) {
  if (enforces_) {
    held_.insert(sandbox_uid);
  } else {
    arrivals_.Arrive(ip);
  }
  return !enforces_;
}

Surroundings World::Around() {
  return {clock_,
          server_,
          runners_,
          settings_,
          Authority(),
          kube::Api(events_),
          [this](const std::string&) {
            return op::PolicyView{policy_, std::nullopt, true};
          },
          [this] { return guard_; },
          measures_ ? &arrivals_ : nullptr,
          [this](const testing::Call& call) { return Judge(call); },
          [this] { return JudgeRunner(); },
          [this] { return JudgeAudit(); },
          [this](const audit::Record& record) {
            audit_.push_back({server_.revision(), record});
          }};
}

// Some calls hang, and then arrive after all; some answers come late. Those that take an approval
// up for about as long as a human has.
void World::MakeSlow(const testing::Call& call) {
  const bool approval = call.body.find("Approved") != std::string::npos;
  if (!call.IsWrite() || !Chance(approval ? 3 * fault_percent_ : fault_percent_ / 4)) return;
  clock_.Advance(milliseconds(1 + random_() % (approval ? 5'000U : 1'500U)));
}

// In the moment a write was carried out.
void World::OnWritten(const testing::Call& call) {
  if (!call.IsWrite()) return;
  if (call.key.resource == testing::NameOf(kube::kApprovals)) {
    const auto json = server_.Find(kube::kApprovals, call.key.ns, call.key.name);
    const auto approval = api::Approval::FromJson(json.value_or(Json()));
    if (approval.ok() && approval->phase == api::ApprovalPhase::kApproved &&
        approved_.insert(approval->meta.uid).second &&
        clock_.Now() >= approval->request.expires_at) {
      late_.insert(approval->request.execution_uid);
    }
  }
  if (faults_) MakeSlow(call);
}

Fate World::Judge(const testing::Call& call) {
  if (!faults_) return Fate::kFine;
  MakeSlow(call);
  if (call.IsWrite() && Chance(crash_percent_)) {
    return Chance(50) ? Fate::kDieBefore : Fate::kDieAfter;
  }
  if (!Chance(fault_percent_)) return Fate::kFine;
  ++faults_hit_;
  if (Chance(33)) return Fate::kUnreachable;
  return Chance(50) ? Fate::kServerError : Fate::kLostAnswer;
}

Fate World::JudgeRunner() {
  if (!faults_ || !Chance(crash_percent_)) return Fate::kFine;
  return Chance(50) ? Fate::kDieBefore : Fate::kDieAfter;
}

Fate World::JudgeAudit() {
  if (!faults_) return Fate::kFine;
  if (Chance(crash_percent_)) return Chance(50) ? Fate::kDieBefore : Fate::kDieAfter;
  if (!Chance(audit_fault_percent_)) return Fate::kFine;
  ++audit_faults_;
  return Fate::kUnreachable;
}

void World::Restart() {
  ++crashes_;
  process_.reset();
  process_ = std::make_unique<OperatorProcess>(Around());
}

void World::Chaos(int steps) {
  for (int i = 0; i < steps; ++i) Step();
}

void World::Step() {
  const auto dice = random_() % 100;
  if (dice < 45) return OperatorStep();
  if (dice < 60) return DeliverSome();
  if (dice < 78) {
    runners_.DeliverOne(fault_percent_ > 0);
    return;
  }
  if (dice < 84) return AgentStep();
  if (dice < 89) return ApproverStep();
  if (dice < 94) return KubeletStep();
  if (dice < 95) server_.CollectGarbage();
  PassTime();
}

void World::OperatorStep() {
  if (Chance(40)) {
    process_->StepSandboxes();
  } else {
    process_->StepExecutions();
  }
  if (process_->dead() || (crash_percent_ > 0 && random_() % 400 == 0)) Restart();
}

// Each watch is behind by as much as it likes.
void World::DeliverSome() {
  const char* resource = kWatched[random_() % std::size(kWatched)];
  const int64_t seen = process_->link().Seen(resource);
  const int64_t behind = server_.revision() - seen;
  if (behind <= 0) return;
  const int64_t some = 1 + static_cast<int64_t>(random_() % static_cast<uint64_t>(behind));
  process_->link().Deliver(resource, seen + (Chance(60) ? behind : some));
}

void World::AgentStep() {
  if (made_ < kMaxExecutions && Chance(70)) return AskForCode();
  if (Chance(70)) return ChangeExecution();
  const char* name = kSandboxes[random_() % std::size(kSandboxes)];
  if (Chance(20)) {
    server_.Remove(kube::kSandboxes, kNamespace, name);
  } else if (!server_.Find(kube::kSandboxes, kNamespace, name)) {
    PutSandbox(name);
  }
}

void World::AskForCode() {
  const int number = ++made_;
  const char* agent = kAgents[random_() % std::size(kAgents)];
  // The name may be one that was used and deleted: its Approval's name is the same.
  const std::string name = "run-" + std::to_string(Chance(30) ? 1 : number);
  if (server_.Find(kube::kExecutions, kNamespace, name)) return;
  Json spec = {
      {"sandboxName", Chance(5) ? "no-such-box" : kSandboxes[random_() % std::size(kSandboxes)]},
      {"operation", "Execute"},
      {"requester", {{"username", agent}}},
      {"execute",
       {{"language", "python"}, {"code", std::to_string(number) + (Chance(60) ? " risky" : "")}}}};
  if (Chance(50)) spec["timeoutSeconds"] = 1 + random_() % 10;
  if (Chance(35)) {
    // The last one is refused.
    const Json asked[] = {Json::array(), Json::array({"a.example"}),
                          Json::array({"X.b.example", "a.example"}), Json::array({"c.example"})};
    spec["network"] = {{"enabled", true}, {"allowedDomains", asked[random_() % 4]}};
  }
  server_.Put(kube::kExecutions, {{"metadata", Meta(name)}, {"spec", spec}});
}

void World::ChangeExecution() {
  const std::vector<Json> all = Executions();
  if (all.empty()) return;
  const std::string name = Name(all[random_() % all.size()]);
  const auto dice = random_() % 100;
  if (dice < 20) {
    server_.Put(kube::kExecutions, {{"metadata", Meta(name)}, {"spec", {{"cancel", true}}}});
  } else if (dice < 35) {
    server_.Remove(kube::kExecutions, kNamespace, name);
  } else if (dice < 40) {
    server_.Remove(kube::kApprovals, kNamespace, name);
  } else if (dice < 50) {
    guard_ = guard_.intact() ? op::GuardView{op::GuardView::State::kBroken, "by the simulator"}
                             : op::GuardView{op::GuardView::State::kIntact, ""};
  } else if (dice < 60) {
    enforces_ = !enforces_;
  }
}

// Decides once, at any time, also when it is too late and also about what he wants himself.
void World::ApproverStep() {
  for (const Json& json : server_.All(kube::kApprovals, kNamespace)) {
    const auto approval = api::Approval::FromJson(json);
    if (!approval.ok() || approval->decision || Chance(30)) continue;
    Decision decision;
    decision.execution_uid = approval->request.execution_uid;
    decision.approved = Chance(75);
    decision.by_requester = Chance(10);
    decision.late = clock_.Now() >= approval->request.expires_at;
    const std::string by = decision.by_requester ? approval->request.requester : "boss";
    server_.Put(
        kube::kApprovals,
        {{"metadata", Meta(approval->meta.name)},
         {"spec",
          {{"decision",
            {{"verdict", decision.approved ? "Approved" : "Denied"}, {"decidedBy", by}}}}}});
    decisions_.push_back(decision);
    return;
  }
}

void World::KubeletStep() {
  std::set<std::string> alive;
  const std::vector<Json> pods = server_.All(kube::kPods, kNamespace);
  for (const Json& pod : pods) alive.insert(Uid(pod));
  for (const std::string& uid : runners_.Pods()) {
    if (!alive.contains(uid)) runners_.Kill(uid);
  }
  for (const Json& pod : pods) {
    if (StringOr(Member(pod, "status"), "phase") == "Pending") {
      RaisePod(pod);
    } else if (faults_ && random_() % 60 == 0) {
      LosePod(pod);
    }
  }
}

void World::RaisePod(const Json& pod) {
  // Addresses are few, and come again.
  const auto* ip = std::find_if(std::begin(kAddresses), std::end(kAddresses),
                                [&](const char* one) { return !runners_.Taken(one); });
  if (ip == std::end(kAddresses) || runners_.Has(Uid(pod))) return;
  runners_.Boot(*ip, Uid(pod), api::MetaFromJson(pod).owners.at(0).uid);
  server_.Put(kube::kPods,
              {{"metadata", Meta(Name(pod))},
               {"status",
                {{"phase", "Running"},
                 {"podIP", *ip},
                 {"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}}}});
}

void World::LosePod(const Json& pod) {
  runners_.Kill(Uid(pod));
  if (Chance(50)) {
    server_.Remove(kube::kPods, kNamespace, Name(pod));
    return;
  }
  const char* why = Chance(50) ? "OOMKilled" : "Error";
  const Json ended = {{"name", "sandbox"},
                      {"state", {{"terminated", {{"reason", why}, {"exitCode", 137}}}}}};
  server_.Put(kube::kPods,
              {{"metadata", Meta(Name(pod))},
               {"status", {{"phase", "Failed"}, {"containerStatuses", Json::array({ended})}}}});
}

void World::PutEgressService() {
  server_.Put(kube::kServices,
              {{"metadata", {{"namespace", settings_.ns}, {"name", kEgressService}}},
               {"spec", {{"clusterIP", "10.96.0.7"}}}});
}

// The way out goes away and comes back, and its keys do.
void World::EgressStep() {
  const auto dice = random_() % 100;
  if (dice < 15) {
    server_.Remove(kube::kServices, settings_.ns, kEgressService);
  } else if (dice < 25) {
    server_.Remove(kube::kSecrets, settings_.ns, op::kEgressSigningSecret);
    server_.Remove(kube::kConfigMaps, settings_.ns, op::kEgressKeysConfigMap);
  } else if (dice < 35) {
    server_.Remove(kube::kConfigMaps, settings_.ns, op::kEgressKeysConfigMap);
  } else {
    PutEgressService();
  }
}

void World::PassTime() {
  if (Chance(20)) EgressStep();
  const auto dice = random_() % 100;
  const uint64_t most = dice < 70 ? 500 : dice < 97 ? 4'000 : 40'000;
  clock_.Advance(milliseconds(1 + random_() % most));
  runners_.Tick();
}

bool World::Exhaust() {
  for (int pass = 0; pass < kPassesToRest; ++pass) {
    KubeletStep();
    for (const char* resource : kWatched) process_->link().Deliver(resource, server_.revision());
    bool busy = runners_.DeliverOne(false);
    busy |= process_->StepSandboxes();
    busy |= process_->StepExecutions();
    for (const char* resource : kWatched) {
      busy |= process_->link().Seen(resource) < server_.revision();
    }
    if (!busy && server_.CollectGarbage() == 0) return true;
  }
  return false;
}

bool World::Settle() {
  faults_ = false;
  guard_ = {op::GuardView::State::kIntact, ""};
  PutEgressService();
  if (process_->dead()) Restart();
  // Short steps for what goes on, then long ones: past the deadlines of Sandboxes and runs.
  for (int i = 0; i < 80; ++i) {
    if (!Exhaust()) return false;
    clock_.Advance(i < 40 ? milliseconds(500) : milliseconds(20'000));
    runners_.Tick();
  }
  return Exhaust();
}

int World::Quiet() {
  server_.ClearCalls();
  for (int i = 0; i < 20; ++i) {
    if (!Exhaust()) break;
    clock_.Advance(seconds(30));
    runners_.Tick();
  }
  return server_.CountWrites();
}

}  // namespace sandgate::crash
