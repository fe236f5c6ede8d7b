#include "operator/egress_grants.h"

#include "libs/base/log.h"
#include "libs/egress/address.h"
#include "libs/egress/domain_list.h"
#include "libs/egress/grant.h"

namespace sandgate::op {
namespace {

using base::Code;
using base::Result;
using base::Status;
using State = EgressView::State;

constexpr std::chrono::milliseconds kReadDeadline{5'000};

// What is admitted can be granted, and what is granted can be told to a runner.
static_assert(egress::kMaxDomains == egress::kMaxGrantDomains);
static_assert(egress::kMaxGrantDomains == api::kMaxRunDomains);
static_assert(egress::kMaxGrantBytes == api::kMaxRunGrantBytes);
static_assert(kMaxCaBundleFileBytes <= api::kMaxCaBundleBytes);

EgressView Off() {
  return {
      State::kOff,
      "This deployment has no egress proxy, so no run can be granted network: set egress.enabled "
      "in the chart's values (the operator's --egress-service)."};
}

EgressView Broken(const std::string& problem) {
  return {State::kBroken, problem};
}

// What the API server's answer means for whoever waits: a refusal stays until somebody mends it.
EgressView FailedRead(const Status& status) {
  const bool lasting =
      status.code() == Code::kPermissionDenied || status.code() == Code::kInvalidArgument;
  return {lasting ? State::kBroken : State::kNotYet,
          "No run can be granted network now: " + status.message()};
}

EgressView WaitingForKey(const GrantKeyState& state, base::Time now) {
  const auto next = NextSigning(state, now);
  if (!next) return {State::kNotYet, "No key signs grants of network yet."};
  return {State::kNotYet, "The key that signs grants of network is new. It counts from " +
                              base::FormatTime(*next) + " on, when every egress proxy has it."};
}

}  // namespace

Result<std::string> EgressAddress(const api::Json& service) {
  const std::string text = api::StringOr(api::Member(service, "spec"), "clusterIP");
  const auto address = egress::IpAddress::Parse(text);
  if (!address) {
    return Status(
        Code::kInvalidArgument,
        "it has no cluster IP" + (text.empty() ? "" : " (" + text.substr(0, 64) + ")") +
            ", and sandboxes have no DNS: it must be of type ClusterIP, and not headless");
  }
  const std::string port = ":" + std::to_string(egress::kDefaultEgressPort);
  return (address->v6 ? "[" + address->ToString() + "]" : address->ToString()) + port;
}

EgressGrants::EgressGrants(EgressOptions options, kube::Api api, Settings settings,
                           const base::Clock& clock, std::function<void()> on_grant)
    : options_(std::move(options)),
      api_(api.WithDeadline(kReadDeadline)),
      settings_(std::move(settings)),
      clock_(clock),
      on_grant_(std::move(on_grant)),
      ca_bundle_(options_.ca_bundle) {
  Known known;
  known.view = options_.service.empty() ? Off() : EgressView{State::kNotYet, ""};
  known_ = std::make_shared<const Known>(std::move(known));
}

// The keys come first, whatever becomes of the rest: the proxies' pods wait for them.
EgressGrants::Known EgressGrants::Read(base::Time now) const {
  Known known;
  auto keys = EnsureGrantKeys(api_, settings_, now);
  auto address = ReadAddress();
  if (!keys.ok()) {
    known.view = FailedRead(keys.status());
  } else if (!address.ok()) {
    known.view = ForAddress(address.status());
  } else if (!SigningKey(keys->state, now)) {
    known.view = WaitingForKey(keys->state, now);
  } else {
    known.view = {State::kReady, ""};
  }
  if (address.ok()) known.proxy = std::move(address).value();
  if (keys.ok()) known.keys = std::move(keys).value();
  return known;
}

Result<std::string> EgressGrants::ReadAddress() const {
  const auto service = api_.Get(kube::kServices, settings_.ns, options_.service);
  if (!service.ok()) return service.status();
  return EgressAddress(*service);
}

EgressView EgressGrants::ForAddress(const Status& status) const {
  const std::string named = "The egress proxy's Service \"" + options_.service + "\"";
  if (status.code() == Code::kNotFound) {
    return Broken(
        named + " does not exist in namespace " + settings_.ns +
        ", so no run can be granted network: set egress.enabled in the chart's values, or "
        "the operator's --egress-service to its name.");
  }
  if (status.code() == Code::kInvalidArgument) {
    return Broken(named + " cannot be used: " + status.message() + ".");
  }
  return FailedRead(status.WithContext("the egress proxy's Service"));
}

std::shared_ptr<const EgressGrants::Known> EgressGrants::Get() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return known_;
}

std::shared_ptr<const EgressGrants::Known> EgressGrants::Refresh() {
  if (options_.service.empty()) return Get();
  const std::lock_guard<std::mutex> reading(reading_);
  const std::shared_ptr<const Known> before = Get();
  if (clock_.MonotonicNow() < before->until) return before;
  Known fresh = Read(clock_.Now());
  const bool ready = fresh.view.state == State::kReady;
  fresh.until = clock_.MonotonicNow() + (ready ? kEgressFresh : kEgressRetry);
  if (fresh.view.problem != before->view.problem || fresh.view.state != before->view.state) {
    if (ready) {
      base::LogInfo("egress: runs can be granted network", {{"proxy", fresh.proxy}});
    } else {
      base::LogError("egress: no run can be granted network", {{"error", fresh.view.problem}});
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  known_ = std::make_shared<const Known>(std::move(fresh));
  return known_;
}

EgressView EgressGrants::View() {
  return Refresh()->view;
}

Result<api::RunNetwork> EgressGrants::For(const Admitted& admitted) {
  const std::shared_ptr<const Known> known = Refresh();
  const base::Time now = clock_.Now();
  const auto id = SigningKey(known->keys.state, now);
  if (known->view.state != State::kReady || !id) {
    return Status(Code::kUnavailable, "no network can be granted now: " + known->view.problem);
  }
  if (now >= admitted.deadline()) {
    return Status(Code::kDeadlineExceeded, "the run's time is over before it started");
  }
  egress::Grant grant;
  grant.sandbox_uid = admitted.sandbox_uid();
  grant.run_id = admitted.claim().run_id;
  grant.name_space = admitted.ns();
  grant.execution = admitted.execution();
  grant.domains = admitted.domains();
  grant.not_before = admitted.start() - egress::kGrantClockSkew;
  grant.expires = admitted.deadline();
  grant.max_bytes = kRunEgressBytes;
  auto token = egress::SignGrant(grant, known->keys.private_pems.at(*id));
  if (!token.ok()) return token.status();
  if (on_grant_) on_grant_();
  return api::RunNetwork{known->proxy, std::move(token).value(), admitted.domains(),
                         ca_bundle_.Get()};
}

std::optional<std::chrono::seconds> EgressGrants::KeyAge() const {
  const std::shared_ptr<const Known> known = Get();
  const GrantKeyState& state = known->keys.state;
  const base::Time now = clock_.Now();
  const auto id = SigningKey(state, now);
  if (!id) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::seconds>(now - *state.published.at(*id));
}

bool EgressGrants::Ready() const {
  return Get()->view.state == State::kReady;
}

}  // namespace sandgate::op
