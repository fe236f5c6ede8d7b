// One Execution's records in the audit log, each at its moment: docs/decisions/0017. What was said
// is remembered, so that a pass that comes again says nothing twice; a new process starts without
// that memory, and may repeat what docs/reference/audit.md lists.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "libs/audit/log.h"
#include "libs/kube/informer.h"
#include "operator/execution_logic.h"

namespace sandgate::op {

// Thread-safe; one pass at a time for each Execution. One entry for each active Execution.
class ExecutionTrail {
 public:
  explicit ExecutionTrail(audit::Sink& sink) : sink_(sink) {}

  // Before a pass acts. Not ok: the action is an admission or a start, its line does not stand in
  // the log, and it must not happen.
  base::Status Before(const kube::Key& key, const ExecutionObserved& seen,
                      const ExecutionAction& action, const std::string& policy_revision);
  // After the Approval moved.
  void Settled(const kube::Key& key, const api::Approval& approval, const SettleApproval& settle);
  // After a status was written, or was not.
  void Wrote(const kube::Key& key, const api::ExecutionStatus& status);
  void WriteFailed(const kube::Key& key, const api::Execution& before,
                   const api::ExecutionStatus& status, const base::Status& why);

  // UID of an Execution of which no end was said; nullopt: there is none of that name.
  std::optional<std::string> Open(const kube::Key& key);
  // It is gone, and this is how it ended (nullopt: nobody knows).
  void Close(const kube::Key& key, const std::optional<api::ExecutionStatus>& last);

 private:
  struct Entry {
    std::string uid;
    api::Json subject;
    bool requested = false, decided = false, ended = false;
    std::string judged;   // by this revision of the policy
    std::string started;  // this run
  };

  Entry* Find(const kube::Key& key, const ExecutionObserved& seen,
              const std::string& policy_revision);
  base::Status BeforeWrite(Entry* entry, const ExecutionObserved& seen,
                           const api::ExecutionStatus& status, const std::string& policy_revision);
  void Judge(Entry* entry, const std::string& policy_revision, api::RiskLevel risk,
             const std::vector<std::string>& reasons, std::optional<base::Time> expires_at);
  base::Status Say(const audit::Record& record);

  audit::Sink& sink_;
  std::mutex mutex_;
  std::map<kube::Key, Entry> entries_;  // guarded by mutex_
};

}  // namespace sandgate::op
