#include "operator/operator.h"

#include "libs/base/log.h"
#include "operator/audit_records.h"

namespace sandgate::op {
namespace {

constexpr char kLease[] = "sandgate-operator";
constexpr std::chrono::hours kIdentityRenewal{7 * 24};
constexpr std::chrono::milliseconds kSyncPoll{50};
constexpr std::chrono::seconds kAuditPoll{1};

audit::LogOptions AuditOptions(const Options& options) {
  audit::LogOptions audit;
  audit.path = options.audit_file;
  audit.fields = {{"pod", options.pod_name}, {"version", SANDGATE_VERSION}};
  return audit;
}

std::vector<api::Json> ExpectedPolicies(const std::string& path) {
  auto expected = LoadExpectedPolicies(path);
  if (expected.ok()) return std::move(expected).value();
  base::LogError("the expected admission policies cannot be read: nothing above LOW will run",
                 {{"file", path}, {"error", expected.status().message()}});
  return {};
}

// A webhook that counts into `metrics`; null where none is configured.
std::unique_ptr<Webhook> NewWebhook(const WebhookOptions& options, Metrics* metrics) {
  if (options.directory.empty()) return nullptr;
  return std::make_unique<Webhook>(
      options, base::RealClock(),
      WebhookObserver{[metrics](WebhookEvent event, WebhookResult result) {
                        metrics->CountWebhook(WebhookEventName(event), WebhookResultName(result));
                      },
                      [metrics] { metrics->CountWebhookFailure(); }});
}

}  // namespace

Settings SettingsFrom(const Options& options) {
  Settings settings;
  settings.ns = options.ns;
  settings.user = options.user;
  if (!options.image.empty()) settings.image = options.image;
  if (!options.pull_policy.empty()) settings.pull_policy = options.pull_policy;
  settings.require_isolation = options.probe_listen.has_value();
  return settings;
}

base::Result<std::unique_ptr<Operator>> Operator::Create(const Options& options, kube::Api api) {
  const Settings settings = SettingsFrom(options);
  const base::Time now = base::RealClock().Now();
  auto authority = EnsureAuthority(api, settings, now);
  if (!authority.ok()) return authority.status().WithContext("certificate authority");
  auto identity = OperatorIdentity(*authority, now);
  if (!identity.ok()) return identity.status().WithContext("client certificate");
  http::ClientOptions client_options;
  client_options.identity = std::move(identity).value();
  client_options.ca_pem = authority->certificate_pem();
  auto client = http::Client::Create(std::move(client_options));
  if (!client.ok()) return client.status().WithContext("client for runners");
  std::unique_ptr<ProbeListener> listener;
  if (options.probe_listen) {
    auto started = ProbeListener::Start(*options.probe_listen, options.probe_address);
    if (!started.ok()) return started.status().WithContext("--probe-listen, --probe-address");
    listener = std::move(started).value();
  }
  std::unique_ptr<Operator> made(new Operator(options, settings, std::move(api),
                                              std::move(authority).value(),
                                              std::move(client).value(), std::move(listener)));
  const base::Status loaded = made->policy_.Load();
  if (!loaded.ok()) return loaded.WithContext("policy");
  made->BaseChanged();
  const base::Status gateway =
      EnsureServerCertificate(made->api_, made->settings_, made->authority_,
                              GatewayCertificate(options.gateway_hosts), now);
  if (!gateway.ok()) return gateway.WithContext("gateway's certificate");
  const base::Status egress = made->EnsureEgress(now);
  if (!egress.ok()) return egress.WithContext("egress proxy's certificate");
  return made;
}

Operator::Operator(const Options& options, Settings settings, kube::Api api,
                   http::CertificateAuthority authority, std::unique_ptr<http::Client> client,
                   std::unique_ptr<ProbeListener> listener)
    : options_(options),
      settings_(std::move(settings)),
      api_(std::move(api)),
      authority_(std::move(authority)),
      identity_made_(base::RealClock().Now()),
      webhook_(NewWebhook(options_.webhook, &metrics_)),
      cluster_(api_, [this](const std::string& resource,
                            const std::string& verb) { metrics_.CountWrite(resource, verb); }),
      events_(api_, kManagedBy, options.pod_name),
      audit_(AuditOptions(options)),
      policy_(options.config,
              [this] {
                BaseChanged();
                SayPolicy();
                WakeEverything();
              }),
      policy_watch_(
          api_, settings_.ns, options.policy_config_map, policy_, policies_, events_,
          {[this] { WakeEverything(); }, [this](const std::string& ns) { WakeNamespace(ns); }}),
      guard_(api_, settings_, ExpectedPolicies(options.admission),
             [this] {
               SayGuard();
               WakeEverything();
             }),
      caches_(api_, Callbacks()),
      probe_listener_(std::move(listener)),
      isolation_(NewProber()),
      runners_(
          std::move(client), base::RealClock(),
          [this](const kube::Key& sandbox) { sandbox_queue_.Add(sandbox); },
          [this](const kube::Key& execution) { execution_queue_.Add(execution); }),
      egress_({options_.egress_service, options_.ca_bundle}, api_, settings_, base::RealClock(),
              [this] { metrics_.CountGrant(); }),
      sandboxes_(Parts(), authority_, sandbox_queue_),
      executions_(Parts(), execution_queue_, Observer()),
      janitor_(cluster_, settings_, base::RealClock()) {}

Operator::~Operator() = default;

// Over runners_, which is made later and gone sooner: its answers find the prober there.
std::unique_ptr<IsolationProber> Operator::NewProber() {
  if (!probe_listener_) return nullptr;
  return std::make_unique<IsolationProber>(
      *probe_listener_, probe_listener_->address(), base::RealClock(),
      [this](const std::string& uid, const std::string& pod_ip, const api::ProbeRequest& request,
             IsolationProber::Done done) {
        runners_.TryReach(uid, pod_ip, request, std::move(done));
      },
      [this](const kube::Key& sandbox) { sandbox_queue_.Add(sandbox); },
      [this](const IsolationVerdict& verdict) { metrics_.CountIsolation(verdict.reason); });
}

ControllerParts Operator::Parts() {
  return {settings_,
          base::RealClock(),
          caches_,
          cluster_,
          runners_,
          events_,
          audit_,
          [this](const std::string& ns) { return policies_.For(ns); },
          [this] { return guard_.View(); },
          egress_,
          isolation_.get()};
}

CacheCallbacks Operator::Callbacks() {
  return {[this](const kube::Key& sandbox) { WakeSandbox(sandbox); },
          [this](const kube::Key& execution) { execution_queue_.Add(execution); },
          [this](const api::Execution& last) {
            const kube::Key sandbox{last.meta.ns, last.spec.sandbox_name};
            executions_.Left(last);
            sandboxes_.Used(sandbox);
            WakeSandbox(sandbox);
          },
          [this](const std::string& ns) {
            for (const auto& sandbox : caches_.Sandboxes()) {
              if (sandbox->meta.ns == ns) sandbox_queue_.Add({ns, sandbox->meta.name});
            }
          }};
}

ExecutionObserver Operator::Observer() {
  return {[this](const api::Execution& before, const api::ExecutionStatus& after) {
            metrics_.CountFinished(api::OperationName(before.spec.operation),
                                   after.risk ? api::RiskName(*after.risk) : "",
                                   after.phase ? api::PhaseName(*after.phase) : "");
          },
          {[this](api::ApprovalPhase phase, std::chrono::seconds waited) {
             metrics_.CountDecision(api::ApprovalPhaseName(phase));
             metrics_.ObserveApprovalWait(static_cast<double>(waited.count()));
           },
           [this](const Caches::ApprovalPtr& approval) {
             if (webhook_) webhook_->Changed(approval);
           }}};
}

// A Sandbox's change concerns whoever waits for it.
void Operator::WakeSandbox(const kube::Key& sandbox) {
  sandbox_queue_.Add(sandbox);
  for (const auto& execution : caches_.Executions()) {
    if (execution->meta.ns == sandbox.ns && execution->spec.sandbox_name == sandbox.name) {
      execution_queue_.Add({execution->meta.ns, execution->meta.name});
    }
  }
}

// Text and policy are read one after the other; another change between the two comes here again.
void Operator::BaseChanged() {
  policies_.SetBase(policy_.Get(), policy_.Text());
}

void Operator::WakeNamespace(const std::string& ns) {
  for (const auto& sandbox : caches_.Sandboxes()) {
    if (sandbox->meta.ns == ns) sandbox_queue_.Add({ns, sandbox->meta.name});
  }
  for (const auto& execution : caches_.Executions()) {
    if (execution->meta.ns == ns) execution_queue_.Add({ns, execution->meta.name});
  }
}

void Operator::WakeEverything() {
  for (const auto& sandbox : caches_.Sandboxes()) {
    sandbox_queue_.Add({sandbox->meta.ns, sandbox->meta.name});
  }
  for (const auto& execution : caches_.Executions()) {
    execution_queue_.Add({execution->meta.ns, execution->meta.name});
  }
}

// What waited when another instance led: it may have been told, or died before; the receiver knows
// it by its id.
void Operator::AnnounceAgain() {
  if (!webhook_) return;
  for (const auto& approval : caches_.Approvals()) {
    if (approval->phase == api::ApprovalPhase::kPending && !approval->decision &&
        approval->meta.name != kCanary) {
      webhook_->Changed(approval);
    }
  }
}

// Until it is open, or the process stops (false). Another process may hold it for a moment; what
// is wrong for longer shows as an instance that is not ready.
bool Operator::OpenAudit() {
  std::string said;
  for (; !stopping_; std::this_thread::sleep_for(kAuditPoll)) {
    const base::Status opened = audit_.Open();
    audit_closed_ = !opened.ok();
    if (opened.ok()) return true;
    if (opened.message() != said) {
      base::LogError("audit: the log cannot be opened, so nothing is done",
                     {{"error", opened.message()}});
    }
    said = opened.message();
  }
  return false;
}

// Of an instance that leads: the others decide nothing by it.
void Operator::SayPolicy() {
  const auto policy = policy_.Get();
  if (!leading_ || !policy) return;
  const base::Status said = audit_.Append(PolicyRecord(policy->revision(), policy_.healthy()));
  if (!said.ok()) base::LogError("audit: a record is lost", {{"error", said.message()}});
}

void Operator::SayGuard() {
  if (!leading_) return;
  const base::Status said = audit_.Append(GuardRecord(guard_.View()));
  if (!said.ok()) base::LogError("audit: a record is lost", {{"error", said.message()}});
}

// Nothing is decided on half a picture: the caches come first.
void Operator::Lead() {
  while (!stopping_ && !Synced()) std::this_thread::sleep_for(kSyncPoll);
  if (stopping_ || !OpenAudit()) return;
  base::LogInfo("leading");
  leading_ = true;
  SayPolicy();
  SayGuard();
  AnnounceAgain();
  sandboxes_.Start(options_.workers);
  executions_.Start(options_.workers);
  janitor_.Start();
}

// On the elector's thread. One that wins while it is told to stop begins nothing.
void Operator::StartLeading() {
  const std::lock_guard<std::mutex> lock(leader_mutex_);
  if (!stopping_) leader_work_ = std::thread([this] { Lead(); });
}

void Operator::Start(std::function<void()> on_lost) {
  policy_.Start();
  policy_watch_.Start();
  caches_.Start();
  guard_.Start();
  kube::LeaderOptions leader;
  leader.ns = settings_.ns;
  leader.name = kLease;
  leader.identity = options_.pod_name;
  elector_ = std::make_unique<kube::LeaderElector>(
      api_, leader, [this] { StartLeading(); }, std::move(on_lost));
  elector_->Start();
}

void Operator::Stop() {
  {
    const std::lock_guard<std::mutex> lock(leader_mutex_);
    stopping_ = true;
  }
  if (leader_work_.joinable()) leader_work_.join();
  janitor_.Stop();
  executions_.Stop();
  sandboxes_.Stop();
  if (webhook_) webhook_->Stop();
  guard_.Stop();
  caches_.Stop();
  policy_watch_.Stop();
  policy_.Stop();
  // An end without this record is one of a process that was killed.
  if (leading_) (void)audit_.Append({"operator.stopped", api::Json::object(), true});
  if (elector_) elector_->Stop();  // last: the next one may act from here on
}

// What the egress proxy needs of us before it starts. What somebody has to mend keeps runs from
// network, and the operator from nothing else.
base::Status Operator::EnsureEgress(base::Time now) {
  if (options_.egress_service.empty()) return base::Status::Ok();
  const base::Status certificate =
      EnsureServerCertificate(api_, settings_, authority_, EgressCertificate(), now);
  (void)egress_.View();  // the keys; it logs what is wrong
  egress_certified_ = certificate.ok();
  const bool lasting = certificate.code() == base::Code::kPermissionDenied ||
                       certificate.code() == base::Code::kInvalidArgument;
  if (!lasting) return certificate;
  base::LogError("the egress proxy's certificate cannot be made",
                 {{"error", certificate.ToString()}});
  return base::Status::Ok();
}

void Operator::LookAfterEgress(base::Time now) {
  const base::Status egress = EnsureEgress(now);
  if (egress.ok()) return;
  base::LogWarning("the egress proxy's certificate cannot be looked after; again later",
                   {{"error", egress.ToString()}});
}

void Operator::MaintainEgress() {
  if (!egress_certified_ || !egress_.Ready()) LookAfterEgress(base::RealClock().Now());
}

void Operator::Maintain() {
  const base::Time now = base::RealClock().Now();
  const base::Status gateway = EnsureServerCertificate(
      api_, settings_, authority_, GatewayCertificate(options_.gateway_hosts), now);
  if (!gateway.ok()) {
    base::LogWarning("the gateway's certificate cannot be looked after; again later",
                     {{"error", gateway.ToString()}});
  }
  LookAfterEgress(now);
  if (now < identity_made_ + kIdentityRenewal) return;
  const auto identity = OperatorIdentity(authority_, now);
  if (!identity.ok()) return;
  if (runners_.client().ReloadTls(*identity, authority_.certificate_pem()).ok()) {
    identity_made_ = now;
  }
}

std::string Operator::MetricsText() {
  size_t pending = 0;
  for (const auto& approval : caches_.Approvals()) {
    if (approval->phase == api::ApprovalPhase::kPending && approval->meta.name != kCanary) {
      ++pending;
    }
  }
  metrics_.SetPendingApprovals(pending);
  metrics_.SetGuardIntact(guard_.View().intact());
  metrics_.SetPolicyHealthy(policy_.healthy());
  metrics_.SetNetworkIsolated(
      IsolationValue(isolation_ ? isolation_->cluster() : Isolation::kUnknown));
  metrics_.SetNamespacePolicies(policies_.Health());
  metrics_.SetLeader(leading_);
  metrics_.SetEgress(egress_.Ready(), egress_.KeyAge());
  metrics_.SetAudit(leading_ && audit_.Health().ok(), audit_.failures());
  metrics_.SetQueueDepth("sandbox", sandbox_queue_.depth());
  metrics_.SetWebhookDepth(webhook_ ? webhook_->depth() : 0);
  metrics_.SetQueueDepth("execution", execution_queue_.depth());
  return metrics_.Text();
}

}  // namespace sandgate::op
