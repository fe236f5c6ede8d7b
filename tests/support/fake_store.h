// The objects behind FakeTransport: what etcd and the registry do, in memory and deterministic
// (resource versions and UIDs count up).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "libs/api/json.h"
#include "libs/base/clock.h"

namespace sandgate::testing {

// `resource` is "plural" or "plural.group".
struct ObjectKey {
  std::string resource;
  std::string ns;
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
};

// One write. `before` null: added; `after` null: removed.
struct Change {
  int64_t revision = 0;
  ObjectKey key;
  api::Json before;
  api::Json after;
};

// A refusal, as the API server words it.
struct Refusal {
  unsigned status = 0;
  std::string reason;
  std::string message;
};

// The new object or why not.
struct WriteResult {
  std::optional<Refusal> refusal;
  api::Json object;

  bool ok() const { return !refusal.has_value(); }
};

struct AdmissionRequest {
  std::string operation;  // "CREATE", "UPDATE", "DELETE"
  ObjectKey key;
  std::string subresource;  // "" or "status"
  std::string token;        // the caller's
  bool dry_run = false;
  const api::Json* old_object = nullptr;  // null on CREATE
};

// May change *object (as a mutating policy does); a Refusal refuses. *object is the old one on
// DELETE.
using Admission = std::function<std::optional<Refusal>(const AdmissionRequest&, api::Json* object)>;

struct WriteContext {
  std::string token;
  bool dry_run = false;
};

// Not thread-safe: FakeTransport holds the lock.
class FakeStore {
 public:
  explicit FakeStore(const base::Clock& clock) : clock_(clock) {}

  WriteResult Create(const ObjectKey& key, api::Json object, const WriteContext& context);
  // `content_type` as the API server names its patch formats.
  WriteResult Patch(const ObjectKey& key, const std::string& subresource,
                    const std::string& content_type, const api::Json& patch,
                    const WriteContext& context);
  WriteResult Delete(const ObjectKey& key, const api::Json& options, const WriteContext& context);

  const api::Json* Find(const ObjectKey& key) const;
  // Of one resource, in key order; `ns` "" = all.
  std::vector<const api::Json*> List(const std::string& resource, const std::string& ns) const;
  std::vector<std::pair<ObjectKey, const api::Json*>> All() const;
  const std::vector<Change>& history() const { return history_; }
  int64_t revision() const { return revision_; }
  // Watches and continuations from before now get 410.
  void Compact() { compacted_ = revision_; }
  int64_t compacted() const { return compacted_; }
  // A write that is no object's: it only moves the revision on (as other resources do).
  void Bump() { ++revision_; }

  Admission admission;

 private:
  std::optional<Refusal> Admit(const AdmissionRequest& request, api::Json* object) const;
  api::Json Commit(const ObjectKey& key, api::Json before, api::Json after, bool dry_run);

  const base::Clock& clock_;
  std::map<ObjectKey, api::Json> objects_;
  std::vector<Change> history_;
  int64_t revision_ = 100;
  int64_t compacted_ = 0;
  int64_t uids_ = 0;
};

// Whether the API server keeps .status of this resource behind /status.
bool HasStatusSubresource(const std::string& resource);

}  // namespace sandgate::testing
