#include "libs/kube/event_logic.h"

#include <algorithm>

namespace sandgate::kube {
namespace {

// Makes room in a full table by forgetting what was used longest ago.
template <typename Table>
void Bound(Table* table) {
  if (table->size() < kMaxEventEntries) return;
  table->erase(std::min_element(table->begin(), table->end(), [](const auto& a, const auto& b) {
    return a.second.last < b.second.last;
  }));
}

std::string Id(const std::string& uid, const std::string& text) {
  return uid + "\n" + text;
}

}  // namespace

bool EventCorrelator::Spend(const std::string& object_uid, base::MonotonicTime now) {
  auto found = budgets_.find(object_uid);
  if (found == budgets_.end()) {
    Bound(&budgets_);
    found = budgets_.emplace(object_uid, Budget{kEventBurst, now}).first;
  }
  Budget& budget = found->second;
  const std::chrono::duration<double> passed = now - budget.last;
  const std::chrono::duration<double> interval = kEventRefillInterval;
  budget.tokens = std::min(kEventBurst, budget.tokens + passed / interval);
  budget.last = now;
  if (budget.tokens < 1) return false;
  budget.tokens -= 1;
  return true;
}

EventDecision EventCorrelator::Decide(const std::string& object_uid, const std::string& text,
                                      base::MonotonicTime now) {
  if (!Spend(object_uid, now)) return {};
  const auto found = repeated_.find(Id(object_uid, text));
  if (found == repeated_.end() || now - found->second.last > kEventRepeatWindow) {
    return {EventDecision::Kind::kCreate, "", 1};
  }
  found->second.last = now;
  return {EventDecision::Kind::kRaiseCount, found->second.name, ++found->second.count};
}

void EventCorrelator::Created(const std::string& object_uid, const std::string& text,
                              const std::string& name, base::MonotonicTime now) {
  Bound(&repeated_);
  repeated_[Id(object_uid, text)] = Repeated{name, 1, now};
}

void EventCorrelator::Lost(const std::string& object_uid, const std::string& text) {
  repeated_.erase(Id(object_uid, text));
}

}  // namespace sandgate::kube
