#include "operator/history_reader.h"

namespace sandgate::op {

using base::Status;

std::optional<SandboxHistory> HistoryReader::Get(const kube::Key& sandbox,
                                                 const std::string& pod_uid) const {
  if (pod_uid.empty()) return SandboxHistory{};
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = known_.find(sandbox);
  if (found == known_.end() || found->second.pod_uid != pod_uid) return std::nullopt;
  return found->second;
}

Status HistoryReader::Read(const kube::Key& sandbox, const std::string& pod_uid) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    reading_[sandbox] = false;
  }
  HistoryBuilder builder(pod_uid);
  const Status listed = List(sandbox, &builder);
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool dropped = reading_[sandbox];
  reading_.erase(sandbox);
  if (!listed.ok()) return listed.WithContext("reading what ran in the Sandbox");
  if (dropped) return Status::Ok();  // the next pass reads again
  if (known_.size() >= kMaxRemembered) known_.clear();
  known_[sandbox] = builder.Take();
  return Status::Ok();
}

Status HistoryReader::List(const kube::Key& sandbox, HistoryBuilder* builder) const {
  kube::ListOptions options;
  options.field_selector = "spec.sandboxName=" + sandbox.name;
  options.limit = kPage;
  for (int page = 0; page < kMaxPages; ++page) {
    const auto listed = api_.List(kube::kExecutions, sandbox.ns, options);
    if (!listed.ok()) return listed.status();
    for (const api::Json& item : listed->items) {
      const auto execution = api::Execution::FromJson(item);
      if (execution.ok()) builder->Add(*execution);
    }
    options.continue_token = listed->continue_token;
    if (options.continue_token.empty()) break;
  }
  return Status::Ok();
}

void HistoryReader::Drop(const kube::Key& sandbox) {
  const std::lock_guard<std::mutex> lock(mutex_);
  known_.erase(sandbox);
  const auto reading = reading_.find(sandbox);
  if (reading != reading_.end()) reading->second = true;
}

}  // namespace sandgate::op
