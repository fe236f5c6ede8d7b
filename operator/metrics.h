// What the operator counts, in Prometheus' text format.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sandgate::op {

// Thread-safe. Labels are words of a fixed few (names of enums, of controllers and of resources),
// never a caller's own: each value is a time series for ever. "" becomes "none".
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // An Execution ended. `outcome`: its final phase, or why it never ran.
  void CountFinished(const std::string& operation, const std::string& risk,
                     const std::string& outcome);
  // From the question to the answer, or to its end without one.
  void ObserveApprovalWait(double seconds);
  void CountDecision(const std::string& verdict);
  // A write that went to the API server. `resource` in the plural, `verb` as RBAC names it.
  void CountWrite(const std::string& resource, const std::string& verb);

  // A message to approvers ended; both labels as webhook_logic and webhook_queue name them.
  void CountWebhook(const std::string& event, const std::string& result);
  void CountWebhookFailure();

  void CountGrant();
  // `key_age`: of the key that signs grants; nullopt: none does.
  void SetEgress(bool ready, std::optional<std::chrono::seconds> key_age);

  // `failures`: records that were not written, since the start.
  void SetAudit(bool healthy, int64_t failures);
  void SetPendingApprovals(size_t count);
  void SetGuardIntact(bool intact);
  void SetPolicyHealthy(bool healthy);
  // 1: NetworkPolicies were seen to hold sandboxes, 0: not to hold them, -1: not known.
  void SetNetworkIsolated(int value);
  // A sandbox's network was measured; `result` as isolation_logic names it.
  void CountIsolation(const std::string& result);
  // By the ConfigMap's name: few, and made by the platform team. Those left out are forgotten.
  void SetNamespacePolicies(const std::map<std::string, bool>& healthy);
  void SetLeader(bool leader);
  void SetQueueDepth(const std::string& controller, size_t depth);

  void SetWebhookDepth(size_t depth);

  std::string Text() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::op
