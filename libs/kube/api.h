// A small Kubernetes client: the verbs, on JSON. Typed structs are libs/api's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "libs/api/json.h"
#include "libs/base/status.h"
#include "libs/rest/client.h"

namespace sandgate::kube {

// A kind as the API server serves it.
struct Resource {
  std::string group;  // "" = core
  std::string version;
  std::string plural;
  std::string kind;
  bool namespaced = true;

  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
};

extern const Resource kSandboxes;
extern const Resource kExecutions;
extern const Resource kApprovals;
extern const Resource kPods;
extern const Resource kSecrets;
extern const Resource kConfigMaps;
extern const Resource kServices;
extern const Resource kNamespaces;
extern const Resource kEvents;
extern const Resource kNetworkPolicies;
extern const Resource kLeases;
extern const Resource kRuntimeClasses;
extern const Resource kValidatingAdmissionPolicies;
extern const Resource kValidatingAdmissionPolicyBindings;
extern const Resource kMutatingAdmissionPolicies;
extern const Resource kMutatingAdmissionPolicyBindings;
extern const Resource kTokenReviews;
extern const Resource kSubjectAccessReviews;
extern const Resource kSelfSubjectReviews;

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  int limit = 500;  // a page
  std::string continue_token;
  std::string resource_version;
};

struct ListPage {
  std::vector<api::Json> items;  // apiVersion and kind filled in
  std::string resource_version;
  std::string continue_token;  // "" on the last page
};

struct DeleteOptions {
  std::string uid;               // precondition; always give it: names are reused, UIDs never
  std::string resource_version;  // precondition, optional
  std::string propagation = "Background";
  std::optional<int> grace_seconds;
};

enum class PatchType { kMerge, kJson, kApply };

// One identity's view of the API server. Thread-safe; calls block. Failures carry the API
// server's own message (Status.message), cut at 8 KiB. 409 on create with reason AlreadyExists is
// kAlreadyExists, any other 409 kConflict; 422 and 400 are kInvalidArgument; "request is too
// large" (HTTP 500) and 413 are kResourceExhausted; 429 waits for its Retry-After once (at most
// 5 s) and is kResourceExhausted then. kUnavailable: certainly not carried out (503, or never
// sent). kDeadlineExceeded, kInternal and kCancelled of a write: it MAY have been carried out.
class Api {
 public:
  explicit Api(std::shared_ptr<rest::Transport> transport, std::string bearer_token = "");

  // The same API server with another caller's token; shares the connections.
  Api WithToken(std::string bearer_token) const;
  // The same identity; its calls end with kCancelled soon after `stop` was requested (a write MAY
  // have been carried out).
  Api WithStop(std::stop_token stop) const;
  // The same with another deadline than 10 s for each call.
  Api WithDeadline(std::chrono::milliseconds deadline) const;

  base::Result<api::Json> Get(const Resource& resource, const std::string& ns,
                              const std::string& name) const;
  // One page; `ns` "" lists all namespaces.
  base::Result<ListPage> List(const Resource& resource, const std::string& ns,
                              const ListOptions& options = {}) const;
  // All pages; kGone in the middle starts anew, at most three times.
  base::Result<ListPage> ListAll(const Resource& resource, const std::string& ns,
                                 ListOptions options = {}) const;
  // apiVersion and kind are filled in.
  base::Result<api::Json> Create(const Resource& resource, const std::string& ns,
                                 const api::Json& object, bool dry_run = false) const;
  base::Result<api::Json> Patch(const Resource& resource, const std::string& ns,
                                const std::string& name, PatchType type, const api::Json& patch,
                                bool dry_run = false) const;
  // Merge-patches .status. A compare-and-swap: `resource_version` and `uid` are required and put
  // in the patch; a stale one is kConflict.
  base::Result<api::Json> PatchStatus(const Resource& resource, const std::string& ns,
                                      const std::string& name, const std::string& uid,
                                      const std::string& resource_version,
                                      const api::Json& status) const;
  base::Status Delete(const Resource& resource, const std::string& ns, const std::string& name,
                      const DeleteOptions& options) const;
  base::Status DeleteCollection(const Resource& resource, const std::string& ns,
                                const ListOptions& options) const;

  // Reads a watch (of `resource` in `ns`) from `options.resource_version`, event by event; see
  // rest::Transport::Stream. The server ends it after about `server_timeout`. A status that is not
  // 200 is returned as its Status (410: kGone).
  base::Status Watch(const Resource& resource, const std::string& ns, const ListOptions& options,
                     std::chrono::seconds server_timeout, std::chrono::milliseconds idle,
                     std::stop_token stop,
                     const std::function<bool(std::string_view line)>& on_line) const;

  const std::shared_ptr<rest::Transport>& transport() const { return transport_; }

 private:
  base::Result<api::Json> Call(const std::string& method, const std::string& path,
                               const std::string& content_type, const std::string& body) const;

  std::shared_ptr<rest::Transport> transport_;
  std::string token_;
  std::stop_token stop_;
  std::chrono::milliseconds deadline_{10'000};
};

// Credentials: $KUBECONFIG or `path` if given, else the pod's service account.
// kInvalidArgument names the file and the key that is wrong.
base::Result<rest::Config> LoadConfig(const std::string& kubeconfig_path);

}  // namespace sandgate::kube
