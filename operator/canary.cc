#include "operator/canary.h"

#include "libs/api/approval.h"
#include "libs/base/log.h"

namespace sandgate::op {
namespace {

using api::Json;
using base::Code;
using base::Result;
using base::Status;
using State = CanaryAnswer::State;

constexpr std::chrono::milliseconds kDeadline{5'000};
constexpr int kAttempts = 4;  // to find, make and set it pending, while others do the same
constexpr char kExpiry[] = "2099-12-31T23:59:59Z";
constexpr char kNoUid[] = "00000000-0000-0000-0000-000000000000";
constexpr size_t kHashDigits = 64;
// Both must be in the API server's words: any other refusal comes from another rule.
constexpr char kPolicyWords[] = "'sandgate-approvals'";
constexpr char kRuleWords[] = "the requester may not decide";

std::string Named(const std::string& what) {
  return std::string("Approval ") + kCanary + " " + what;
}

bool SaysNothing(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded ||
         code == Code::kCancelled || code == Code::kResourceExhausted;
}

CanaryAnswer Failed(const std::string& what, const Status& status) {
  const State state = SaysNothing(status.code()) ? State::kUnreachable : State::kBroken;
  return {state, Named(what) + ": " + status.ToString()};
}

Json CanaryObject(const Settings& settings) {
  api::ApprovalRequest request;
  request.execution_name = kCanary;
  request.execution_uid = kNoUid;
  request.sandbox_name = kCanary;
  request.sandbox_uid = kNoUid;
  request.risk = api::RiskLevel::kCritical;
  request.requester = settings.user;
  request.summary.text =
      "Not a question: the operator proves with it that nobody decides about their own requests.";
  request.spec_hash = std::string(kHashDigits, '0');
  request.policy_revision = "canary";
  request.expires_at = base::ParseTime(kExpiry).value_or(base::Time::max());
  return {{"apiVersion", api::kApiVersion},
          {"kind", "Approval"},
          {"metadata",
           {{"name", kCanary},
            {"namespace", settings.ns},
            {"labels", {{kManagedByLabel, kManagedBy}}}}},
          {"spec", {{"request", api::ToJson(request)}}}};
}

// One that could not sing: an answer about it would be another rule's.
bool Unfit(const Json& object, const Settings& settings) {
  const auto approval = api::Approval::FromJson(object);
  return !approval.ok() || approval->request.requester != settings.user || approval->decision ||
         approval->phase.value_or(api::ApprovalPhase::kPending) != api::ApprovalPhase::kPending;
}

}  // namespace

Canary::Canary(kube::Api api, const Settings& settings)
    : api_(api.WithDeadline(kDeadline)), settings_(settings) {}

CanaryAnswer Canary::Ask() {
  for (;;) {
    const bool fresh = !prepared_;
    if (fresh) {
      if (auto failure = Prepare()) return *failure;
      prepared_ = true;
    }
    CanaryAnswer answer = Try();
    if (answer.state != State::kBroken) return answer;
    prepared_ = false;
    // It was prepared some time ago: somebody may have deleted it since.
    if (fresh) return answer;
  }
}

CanaryAnswer Canary::Try() const {
  const Json forged = {
      {"spec", {{"decision", {{"verdict", "Approved"}, {"decidedBy", settings_.user}}}}}};
  const auto answer = api_.Patch(kube::kApprovals, settings_.ns, kCanary, kube::PatchType::kMerge,
                                 forged, /*dry_run=*/true);
  if (answer.ok()) {
    return {State::kBroken,
            Named("could be decided by its requester (dry run): the API server does not apply "
                  "the policy sandgate-approvals")};
  }
  const std::string& message = answer.status().message();
  if (answer.status().code() == Code::kPermissionDenied &&
      message.find(kPolicyWords) != std::string::npos &&
      message.find(kRuleWords) != std::string::npos) {
    return {State::kRefused, ""};
  }
  return Failed("was not refused by the policy sandgate-approvals", answer.status());
}

Result<Json> Canary::Create() const {
  auto created = api_.Create(kube::kApprovals, settings_.ns, CanaryObject(settings_));
  if (created.ok()) base::LogInfo("canary created", {{"approval", settings_.ns + "/" + kCanary}});
  return created;
}

std::optional<CanaryAnswer> Canary::Prepare() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto found = api_.Get(kube::kApprovals, settings_.ns, kCanary);
    if (!found.ok() && found.status().code() == Code::kNotFound) found = Create();
    if (!found.ok() && found.status().code() == Code::kAlreadyExists) continue;
    if (!found.ok()) return Failed("cannot be read or created", found.status());
    const api::ObjectMeta meta = api::MetaFromJson(*found);
    if (meta.deleting()) return CanaryAnswer{State::kBroken, Named("is being deleted")};
    if (Unfit(*found, settings_)) {
      base::LogWarning("canary is not as it has to be; it is made anew",
                       {{"approval", settings_.ns + "/" + kCanary}});
      kube::DeleteOptions options;
      options.uid = meta.uid;
      const Status gone = api_.Delete(kube::kApprovals, settings_.ns, kCanary, options);
      if (!gone.ok() && gone.code() != Code::kNotFound && gone.code() != Code::kConflict) {
        return Failed("cannot be deleted", gone);
      }
      continue;
    }
    if (!api::StringOr(api::Member(*found, "status"), "phase").empty()) return std::nullopt;
    const auto pending = api_.PatchStatus(kube::kApprovals, settings_.ns, kCanary, meta.uid,
                                          meta.resource_version, {{"phase", "Pending"}});
    if (pending.ok()) return std::nullopt;
    if (pending.status().code() != Code::kConflict && pending.status().code() != Code::kNotFound) {
      return Failed("cannot be set pending", pending.status());
    }
  }
  return CanaryAnswer{State::kBroken, Named("is changed by others all the time")};
}

}  // namespace sandgate::op
