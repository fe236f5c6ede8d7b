// An API server in memory, behind rest::Transport: for tests of libs/kube, of the operator and of
// the gateway. It has what our programs rely on (compare-and-swap, AlreadyExists, the status
// subresource, preconditions, finalizers, selectors, paging, watches with bookmarks and 410, dry
// runs) and no schemas, no RBAC, no controllers. tests/integration holds it against a real one.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/kube/api.h"
#include "tests/support/fake_store.h"

namespace sandgate::testing {

// One request, taken apart.
struct Call {
  std::string method;
  ObjectKey key;            // name "" = the collection
  std::string subresource;  // "" or "status"
  std::map<std::string, std::string> query;
  std::string content_type;
  std::string body;
  std::string token;
  bool watch = false;
  bool dry_run = false;

  // Whether it would change something stored.
  bool IsWrite() const { return method != "GET" && !dry_run; }
};

// "plural" or "plural.group", as ObjectKey names resources.
std::string NameOf(const kube::Resource& resource);

enum class Fault {
  kNone,
  kUnreachable,  // not carried out: kUnavailable
  kLostAnswer,   // carried out, but the caller sees kDeadlineExceeded
  kServerError,  // not carried out: HTTP 500
  kThrottled,    // not carried out: HTTP 429, Retry-After 0
};

// Thread-safe; the public hooks are set before the first call and run without the lock held.
class FakeTransport final : public rest::Transport {
 public:
  explicit FakeTransport(const base::Clock& clock = base::RealClock());

  base::Result<rest::Response> Do(const rest::Request& request) override;
  // Sends what stands in the history after resourceVersion, then waits for more.
  base::Status Stream(const rest::Request& request, std::chrono::milliseconds idle,
                      std::stop_token stop,
                      const std::function<bool(std::string_view line)>& on_line,
                      rest::Response* response) override;

  // --- hooks ---

  // Asked before each call (watches too): what goes wrong with it.
  std::function<Fault(const Call&)> fault;
  // Before a call has its effect and after it (not when a fault kept it from having one).
  std::function<void(const Call&)> before_call;
  std::function<void(const Call&, unsigned status)> after_call;
  // Refuses or changes writes; also seen by dry runs. Not asked for the test's own writes below.
  void SetAdmission(Admission admission);
  // Answers POSTs to a resource that stores nothing (TokenReviews, ...): the request's object in,
  // the answer out.
  void SetVirtual(const kube::Resource& resource,
                  std::function<api::Json(const Call&, const api::Json& object)> answer);

  // --- the test's own hand in the store: no admission, no faults, no log ---

  // Creates, or merges `object` over what is there (status included); returns what is stored.
  api::Json Put(const kube::Resource& resource, const api::Json& object);
  std::optional<api::Json> Find(const kube::Resource& resource, const std::string& ns,
                                const std::string& name) const;
  std::vector<api::Json> All(const kube::Resource& resource, const std::string& ns = "") const;
  // As `kubectl delete`: an object with finalizers only gets its deletionTimestamp.
  bool Remove(const kube::Resource& resource, const std::string& ns, const std::string& name);
  // Deletes every object whose owners are all gone, until none is left; returns how many.
  int CollectGarbage();

  // Every change after `revision`, of every resource; for simulators that need no threads.
  std::vector<Change> ChangesSince(int64_t revision) const;
  int64_t revision() const;

  // --- watches ---

  void SendBookmarks();
  void CloseWatches();
  // Versions before now are gone; `as_event`: watches tell it by an ERROR event, not by HTTP 410.
  void Compact(bool as_event = false);
  // Blocks until `count` watches are open.
  void WaitForWatches(int count);

  // --- the log ---

  std::vector<Call> calls() const;
  void ClearCalls();
  // Writes of `resource` ("" = of any) since the last ClearCalls, dry runs apart.
  int CountWrites(const std::string& resource = "") const;

 private:
  struct Watcher;

  rest::Response Serve(const Call& call);
  rest::Response ServeList(const Call& call);
  rest::Response ServeCreate(const Call& call, const api::Json& body);
  rest::Response ServeDeleteCollection(const Call& call);
  bool NextLines(Watcher* watcher, std::vector<std::string>* lines);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  FakeStore store_;              // guarded by mutex_
  std::vector<Call> calls_;      // guarded by mutex_
  int64_t bookmarks_ = 0;        // guarded by mutex_
  int64_t closings_ = 0;         // guarded by mutex_
  int watches_ = 0;              // guarded by mutex_
  int64_t generated_names_ = 0;  // guarded by mutex_
  bool gone_as_event_ = false;   // guarded by mutex_
  std::map<std::string, std::function<api::Json(const Call&, const api::Json&)>> virtual_;
};

}  // namespace sandgate::testing
