#include "operator/pod_facts.h"

#include <algorithm>

#include "operator/settings.h"

namespace sandgate::op {
namespace {

using api::Json;
using api::Member;
using api::StringOr;

constexpr size_t kMaxMessageBytes = 1024;

std::string Cut(std::string text) {
  if (text.size() > kMaxMessageBytes) text.resize(kMaxMessageBytes);
  bool replaced = false;
  return api::ToUtf8(text, &replaced);
}

void AddContainers(const Json& statuses, PodFacts* pod) {
  if (!statuses.is_array()) return;
  for (const Json& status : statuses) {
    const Json& state = Member(status, "state");
    const Json& waiting = Member(state, "waiting");
    const Json& ended = Member(state, "terminated");
    pod->containers.push_back({StringOr(status, "name"), StringOr(waiting, "reason"),
                               StringOr(waiting, "message"), StringOr(ended, "reason"),
                               api::IntOr(ended, "exitCode"), ended.is_object()});
    if (pod->containers.back().name == "sandbox") pod->image_id = StringOr(status, "imageID");
  }
}

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

const ContainerFacts* EndedBy(const PodFacts& pod, std::string_view reason) {
  const auto found = std::find_if(
      pod.containers.begin(), pod.containers.end(),
      [&](const ContainerFacts& one) { return one.terminated && one.terminated_reason == reason; });
  return found == pod.containers.end() ? nullptr : &*found;
}

}  // namespace

base::Result<PodFacts> PodFacts::FromJson(const Json& json) {
  PodFacts pod;
  pod.meta = api::MetaFromJson(json);
  const Json& status = Member(json, "status");
  pod.phase = StringOr(status, "phase");
  pod.reason = StringOr(status, "reason");
  pod.message = StringOr(status, "message");
  pod.ip = StringOr(status, "podIP");
  pod.conditions = api::ConditionsFromJson(Member(status, "conditions"));
  AddContainers(Member(status, "initContainerStatuses"), &pod);
  AddContainers(Member(status, "containerStatuses"), &pod);
  const Json& annotations = Member(Member(json, "metadata"), "annotations");
  const auto effective = api::ParseJson(StringOr(annotations, kEffectiveAnnotation));
  if (effective.ok()) pod.effective = api::EffectiveFromJson(*effective);
  return pod;
}

bool PodFacts::ready() const {
  const api::Condition* condition = api::FindCondition(conditions, "Ready");
  return condition != nullptr && condition->status == "True";
}

std::string PodFacts::SandboxUid() const {
  for (const api::OwnerReference& owner : meta.owners) {
    if (owner.kind == "Sandbox" && owner.controller) return owner.uid;
  }
  return "";
}

std::optional<Diagnosis> WhyLost(const PodFacts& pod) {
  const std::string next = " Its workspace is gone; create a new Sandbox.";
  if (EndedBy(pod, "OOMKilled") != nullptr) {
    return Diagnosis{"OOMKilled",
                     "The sandbox used more memory than its pod may, faster than one run could be "
                     "stopped, and was ended as a whole." +
                         next};
  }
  const bool disrupted = [&] {
    const api::Condition* condition = api::FindCondition(pod.conditions, "DisruptionTarget");
    return condition != nullptr && condition->status == "True";
  }();
  if (pod.reason == "Evicted" || (disrupted && (pod.ended() || pod.meta.deleting()))) {
    return Diagnosis{"Evicted", "The node needed the room: " + Cut(pod.message) + next};
  }
  if (pod.reason == "NodeLost" || pod.reason == "NodeShutdown" || pod.reason == "Terminated") {
    return Diagnosis{"NodeLost", "The node went away: " + Cut(pod.message) + next};
  }
  if (pod.meta.deleting()) {
    return Diagnosis{"PodDeleted", "Somebody deleted the sandbox's pod." + next};
  }
  if (!pod.ended()) return std::nullopt;
  for (const ContainerFacts& one : pod.containers) {
    if (!one.terminated || (one.name != "sandbox" && one.exit_code == 0)) continue;
    return Diagnosis{"RunnerEnded", "The container \"" + one.name + "\" ended with exit code " +
                                        std::to_string(one.exit_code) + " (" +
                                        Cut(one.terminated_reason) + ")." + next};
  }
  return Diagnosis{"PodEnded", "The pod ended: " + Cut(pod.reason + " " + pod.message) + next};
}

std::optional<Diagnosis> WhyNotReady(const PodFacts& pod, const std::string& runtime_class) {
  for (const ContainerFacts& one : pod.containers) {
    const std::string& why = one.waiting_reason;
    if (why == "ErrImagePull" || why == "ImagePullBackOff" || why == "InvalidImageName" ||
        why == "ErrImageNeverPull") {
      return Diagnosis{"ImagePullFailed",
                       "The image of container \"" + one.name +
                           "\" cannot be pulled: " + Cut(one.waiting_message) +
                           " Check its name in the policy and the node's registry access."};
    }
    if (why == "CreateContainerConfigError" || why == "CreateContainerError" ||
        why == "RunContainerError") {
      return Diagnosis{
          "ContainerNotCreated",
          "The container \"" + one.name + "\" cannot be created: " + Cut(one.waiting_message)};
    }
  }
  const api::Condition* scheduled = api::FindCondition(pod.conditions, "PodScheduled");
  if (scheduled != nullptr && scheduled->status == "False") {
    return Diagnosis{"Unschedulable", "No node takes the pod: " + Cut(scheduled->message) +
                                          " Nodes need room for it and what RuntimeClass " +
                                          runtime_class + " asks for."};
  }
  return std::nullopt;
}

Diagnosis WhyRefused(const std::string& api_message, const std::string& runtime_class) {
  const std::string text = Cut(api_message);
  if (Contains(text, "RuntimeClass") || Contains(text, "runtimeclass")) {
    return {"RuntimeClassMissing", "RuntimeClass " + runtime_class +
                                       " is not there: install gVisor and apply the RuntimeClass "
                                       "of the chart. (" +
                                       text + ")"};
  }
  if (Contains(text, "exceeded quota") || Contains(text, "failed quota")) {
    return {"QuotaExceeded",
            "The namespace's ResourceQuota leaves no room: delete sandboxes or raise it. (" + text +
                ")"};
  }
  if (Contains(text, "usage per") || Contains(text, "LimitRange")) {
    return {"LimitRangeExceeded",
            "The namespace's LimitRange refuses the pod: ask for less memory, CPU or disk, or "
            "raise it. (" +
                text + ")"};
  }
  if (Contains(text, "PodSecurity")) {
    return {"PodSecurityRefused", "Pod Security of the namespace refuses the pod. (" + text + ")"};
  }
  return {"PodRefused", "The API server refused the sandbox's objects: " + text};
}

}  // namespace sandgate::op
