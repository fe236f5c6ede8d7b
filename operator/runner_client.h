// The operator's calls to the runners in the sandboxes. Nothing here waits: an answer becomes a
// Probe or a RunView in a bounded table, and its key goes back on a work queue.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "libs/api/run_network.h"
#include "libs/base/clock.h"
#include "libs/http/client.h"
#include "libs/kube/key.h"
#include "operator/admission.h"
#include "operator/execution_logic.h"
#include "operator/sandbox_logic.h"

namespace sandgate::op {

// Where a run is: everything a call needs that is not the start itself.
struct RunPlace {
  std::string pod_ip;
  std::string sandbox_uid;
  std::string run_id;
  int64_t output_bytes = 0;
};

// Thread-safe. The callbacks given at construction run on the HTTP client's thread and must not
// block.
class RunnerClient {
 public:
  using Wake = std::function<void(const kube::Key&)>;

  RunnerClient(std::unique_ptr<http::Client> client, const base::Clock& clock, Wake wake_sandbox,
               Wake wake_execution);
  ~RunnerClient();

  // --- sandboxes, by their UID ---

  void Ask(const kube::Key& sandbox, const std::string& uid, const std::string& pod_ip);
  Probe ProbeOf(const std::string& sandbox_uid) const;
  void ForgetSandbox(const std::string& sandbox_uid);
  // Lets the runner try a connection from the pod's own network. `done` is called once, on the HTTP
  // client's thread unless the call fails at once; it must not block.
  using Tried = std::function<void(const base::Result<api::ProbeOutcome>&)>;
  void TryReach(const std::string& sandbox_uid, const std::string& pod_ip,
                const api::ProbeRequest& request, Tried done);

  // --- runs, by the Execution's UID ---

  // The only call that makes code start; what it needs cannot be had without an admission.
  // `network` is there if, and only if, the admission has domains: else nothing is started.
  void Start(const kube::Key& execution, const std::string& execution_uid, const Admitted& admitted,
             std::optional<api::RunNetwork> network);
  // Asks for the end of the run; answers within kPoll at the latest.
  void Follow(const kube::Key& execution, const std::string& execution_uid, const RunPlace& place);
  void Cancel(const kube::Key& execution, const std::string& execution_uid, const RunPlace& place);
  // The runner may forget the run, and so do we. Best effort: a runner keeps few and ends with
  // its sandbox.
  void Release(const std::string& execution_uid, const RunPlace& place);
  // The Execution is over, or gone, and its run may not be: it is cancelled and forgotten. Does
  // nothing for a run that ended or was never asked for.
  void Abandon(const std::string& execution_uid, const RunPlace& place);
  RunView ViewOf(const std::string& execution_uid) const;
  void ForgetRun(const std::string& execution_uid);

  http::Client& client() { return *client_; }

 private:
  using Answer = base::Result<http::Response>;
  using Change = std::function<void(RunView*)>;

  void Set(const std::string& execution_uid, const Change& change);
  void Update(const kube::Key& execution, const std::string& execution_uid, const Change& change);
  void Unreachable(RunView* view, const std::string& problem) const;
  void TakeState(const RunPlace& place, const std::string& body, RunView* view) const;
  Probe ProbeFrom(const Answer& answer, const std::string& sandbox_uid) const;

  const base::Clock& clock_;
  Wake wake_sandbox_, wake_execution_;
  mutable std::mutex mutex_;
  std::map<std::string, Probe> probes_;   // by Sandbox UID; guarded by mutex_
  std::map<std::string, RunView> runs_;   // by Execution UID; guarded by mutex_
  std::unique_ptr<http::Client> client_;  // last: its callbacks use all of the above
};

}  // namespace sandgate::op
