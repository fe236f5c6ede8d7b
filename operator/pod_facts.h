// A sandbox's pod, as far as the operator cares.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/api/meta.h"
#include "libs/api/sandbox.h"

namespace sandgate::op {

// One container (init ones too).
struct ContainerFacts {
  std::string name;
  std::string waiting_reason, waiting_message;
  std::string terminated_reason;  // "OOMKilled", "Error", "Completed"
  int64_t exit_code = 0;
  bool terminated = false;
};

struct PodFacts {
  api::ObjectMeta meta;
  std::string phase;            // "Pending", "Running", "Succeeded", "Failed", "Unknown"
  std::string reason, message;  // of the pod: "Evicted", "NodeLost"
  std::string ip;
  std::string image_id;  // of the sandbox's container
  std::vector<ContainerFacts> containers;
  api::Conditions conditions;                     // PodScheduled, Ready, DisruptionTarget
  std::optional<api::EffectiveLimits> effective;  // that it was built with

  static base::Result<PodFacts> FromJson(const api::Json& json);

  bool ended() const { return phase == "Failed" || phase == "Succeeded"; }
  bool ready() const;
  // UID of the Sandbox that owns it, "" if none does.
  std::string SandboxUid() const;
};

// A reason for programs and a sentence for people: what happened, and what to do.
struct Diagnosis {
  std::string reason;
  std::string message;

  bool operator==(const Diagnosis&) const = default;
};

// Why a pod that was there is of no use any more (ended, being deleted). nullopt: it is fine.
std::optional<Diagnosis> WhyLost(const PodFacts& pod);
// Why a pod is not ready yet, when somebody should do something about it. nullopt: just starting.
std::optional<Diagnosis> WhyNotReady(const PodFacts& pod, const std::string& runtime_class);
// Why the API server refused to create an object for a sandbox.
Diagnosis WhyRefused(const std::string& api_message, const std::string& runtime_class);

}  // namespace sandgate::op
