// The deployment's policy on disk (a mounted ConfigMap), which is replaced under us.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "libs/policy/policy.h"

namespace sandgate::op {

// Thread-safe, but for Load, Start and Stop, which one thread calls.
class PolicyFile {
 public:
  // `path` "": the built-in policy, for ever. `on_change` runs on the polling thread, without a
  // lock, when another policy is in use or healthy() has changed.
  PolicyFile(std::string path, std::function<void()> on_change);
  ~PolicyFile();
  PolicyFile(const PolicyFile&) = delete;
  PolicyFile& operator=(const PolicyFile&) = delete;

  // Reads now. On failure (kInvalidArgument says which file, line and key) the last good policy
  // stays in use.
  base::Status Load();
  // What a watch says that the file has, or soon will: counts at once, and from then on alone,
  // since the mounted file may be a minute behind it. Runs `on_change` on the calling thread.
  base::Status Offer(base::Result<std::string> text);
  // Looks every 2 s from now on. A refused content is logged once.
  void Start();
  void Stop();  // returns when the thread has ended; idempotent

  // Null until a Load has succeeded: no policy is not the default policy.
  std::shared_ptr<const policy::Policy> Get() const;
  // The text of what Get() returns.
  std::string Text() const;
  // Whether the policy in use is what the file says now.
  bool healthy() const;

 private:
  // True when what Get() or healthy() says has changed.
  bool Look(base::Status* status);
  bool Take(base::Result<std::string> text, base::Status* status);
  void Poll(const std::stop_token& stop);

  const std::string path_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::shared_ptr<const policy::Policy> policy_;  // guarded by mutex_
  std::string good_text_;                         // of policy_; guarded by mutex_
  bool healthy_ = false;                          // guarded by mutex_
  bool watched_ = false;                          // the file counts no more; guarded by mutex_
  std::optional<std::string> seen_;               // content; guarded by mutex_
  base::Status seen_status_;                      // what became of it; guarded by mutex_
  std::jthread thread_;
};

}  // namespace sandgate::op
