// Reads what ran in a sandbox, by one list at the API server, and remembers it until something runs
// or ends there. Finished Executions are in no cache, so a new operator finds them out like this
// too.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "libs/kube/api.h"
#include "libs/kube/informer.h"
#include "operator/sandbox_history.h"

namespace sandgate::op {

// Thread-safe.
class HistoryReader {
 public:
  explicit HistoryReader(const kube::Api& api) : api_(api) {}

  // What is remembered of that pod of the sandbox; for one without a pod it is always known.
  std::optional<SandboxHistory> Get(const kube::Key& sandbox, const std::string& pod_uid) const;
  // Reads it, one caller a sandbox at a time; blocks for at most kMaxPages calls. It is remembered
  // unless something happened there meanwhile. Failures are those of kube::Api; nothing is
  // remembered then.
  base::Status Read(const kube::Key& sandbox, const std::string& pod_uid);
  // Something ran or ended there: what is remembered is no longer so.
  void Drop(const kube::Key& sandbox);

 private:
  base::Status List(const kube::Key& sandbox, HistoryBuilder* builder) const;

  // Executions are up to a megabyte each; a page has to fit into one answer.
  static constexpr int kPage = 20;
  static constexpr int kMaxPages = 50;
  static constexpr size_t kMaxRemembered = 4096;  // sandboxes; a few kilobytes each

  const kube::Api& api_;
  mutable std::mutex mutex_;
  std::map<kube::Key, SandboxHistory> known_;  // guarded by mutex_
  std::map<kube::Key, bool> reading_;          // guarded by mutex_; true: dropped meanwhile
};

}  // namespace sandgate::op
