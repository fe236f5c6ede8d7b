#include "libs/kube/api.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "libs/kube/api_error.h"
#include "libs/kube/api_path.h"

namespace sandgate::kube {
namespace {

constexpr std::chrono::seconds kMaxRetryAfter{5};
constexpr int kListRestarts = 3;

const char* ContentType(PatchType type) {
  switch (type) {
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kApply:
      return "application/apply-patch+yaml";  // JSON is YAML
  }
  return "";
}

Query WriteQuery(bool dry_run) {
  return {{"dryRun", dry_run ? "All" : ""}};
}

// False if `stop` came first.
bool WaitUnlessStopped(std::chrono::seconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

Api::Api(std::shared_ptr<rest::Transport> transport, std::string bearer_token)
    : transport_(std::move(transport)), token_(std::move(bearer_token)) {}

Api Api::WithToken(std::string bearer_token) const {
  Api other = *this;
  other.token_ = std::move(bearer_token);
  return other;
}

Api Api::WithStop(std::stop_token stop) const {
  Api other = *this;
  other.stop_ = std::move(stop);
  return other;
}

Api Api::WithDeadline(std::chrono::milliseconds deadline) const {
  Api other = *this;
  other.deadline_ = deadline;
  return other;
}

base::Result<api::Json> Api::Call(const std::string& method, const std::string& path,
                                  const std::string& content_type, const std::string& body) const {
  rest::Request request;
  request.method = method;
  request.path = path;
  request.content_type = content_type;
  request.body = body;
  request.bearer_token = token_;
  request.stop = stop_;
  request.deadline = deadline_;
  base::Result<rest::Response> response = transport_->Do(request);
  if (response.ok() && response->status == 429) {
    if (!WaitUnlessStopped(std::min(response->retry_after, kMaxRetryAfter), stop_)) {
      return base::Status(base::Code::kCancelled, "stopped");
    }
    response = transport_->Do(request);
  }
  if (!response.ok()) return response.status();
  if (base::Status status = StatusOf(*response); !status.ok()) return status;
  base::Result<api::Json> parsed = api::ParseJson(response->body);
  if (parsed.ok()) return parsed;
  return base::Status(base::Code::kInternal,
                      "the API server's answer cannot be read: " + parsed.status().message());
}

base::Result<api::Json> Api::Get(const Resource& resource, const std::string& ns,
                                 const std::string& name) const {
  // An empty name would turn the call into a list.
  if (name.empty()) return base::Status(base::Code::kInvalidArgument, "no object name");
  const auto path = ResourcePath(resource, ns, name);
  if (!path.ok()) return path.status();
  return Call("GET", *path, "", "");
}

base::Result<ListPage> Api::List(const Resource& resource, const std::string& ns,
                                 const ListOptions& options) const {
  const auto path = ResourcePath(resource, ns, "");
  if (!path.ok()) return path.status();
  base::Result<api::Json> list = Call("GET", *path + QueryString(ListQuery(options)), "", "");
  if (!list.ok()) return list.status();
  const api::Json& meta = api::Member(*list, "metadata");
  ListPage page;
  page.resource_version = api::StringOr(meta, "resourceVersion");
  page.continue_token = api::StringOr(meta, "continue");
  const auto items = list->find("items");
  if (items == list->end() || !items->is_array()) {
    // A nil slice of Go arrives as null.
    if (items != list->end() && items->is_null()) return page;
    return base::Status(base::Code::kInternal, "the API server's answer is not a list");
  }
  page.items.reserve(items->size());
  for (api::Json& item : *items) {
    if (!item.is_object()) {
      return base::Status(base::Code::kInternal, "the API server's list holds a non-object");
    }
    item["apiVersion"] = resource.ApiVersion();
    item["kind"] = resource.kind;
    page.items.push_back(std::move(item));
  }
  return page;
}

base::Result<ListPage> Api::ListAll(const Resource& resource, const std::string& ns,
                                    ListOptions options) const {
  ListPage all;
  for (int restarts = 0;;) {
    base::Result<ListPage> page = List(resource, ns, options);
    if (!page.ok()) {
      // The continuation outlived the API server's history: its pages belong together or not at
      // all.
      if (page.status().code() != base::Code::kGone || options.continue_token.empty() ||
          ++restarts > kListRestarts) {
        return page.status();
      }
      all.items.clear();
      options.continue_token.clear();
      continue;
    }
    std::move(page->items.begin(), page->items.end(), std::back_inserter(all.items));
    all.resource_version = page->resource_version;
    if (page->continue_token.empty()) return all;
    options.continue_token = page->continue_token;
    // The API server refuses a resourceVersion beside a continuation.
    options.resource_version.clear();
  }
}

base::Result<api::Json> Api::Create(const Resource& resource, const std::string& ns,
                                    const api::Json& object, bool dry_run) const {
  const auto path = ResourcePath(resource, ns, "");
  if (!path.ok()) return path.status();
  // The API server asks for them with custom resources only; the URL says them already.
  api::Json whole = object;
  if (whole.is_object()) {
    whole["apiVersion"] = resource.ApiVersion();
    whole["kind"] = resource.kind;
  }
  return Call("POST", *path + QueryString(WriteQuery(dry_run)), "application/json",
              api::DumpJson(whole));
}

base::Result<api::Json> Api::Patch(const Resource& resource, const std::string& ns,
                                   const std::string& name, PatchType type, const api::Json& patch,
                                   bool dry_run) const {
  if (name.empty()) return base::Status(base::Code::kInvalidArgument, "no object name");
  const auto path = ResourcePath(resource, ns, name);
  if (!path.ok()) return path.status();
  Query query = WriteQuery(dry_run);
  if (type == PatchType::kApply) query.emplace_back("fieldManager", "sandgate");
  return Call("PATCH", *path + QueryString(query), ContentType(type), api::DumpJson(patch));
}

base::Result<api::Json> Api::PatchStatus(const Resource& resource, const std::string& ns,
                                         const std::string& name, const std::string& uid,
                                         const std::string& resource_version,
                                         const api::Json& status) const {
  // Without them this would not be a compare-and-swap, and I2 and I5 rest on it.
  if (name.empty() || uid.empty() || resource_version.empty()) {
    return base::Status(base::Code::kInvalidArgument, "a status patch needs name, uid and version");
  }
  const auto path = ResourcePath(resource, ns, name, "status");
  if (!path.ok()) return path.status();
  const api::Json patch = {{"metadata", {{"uid", uid}, {"resourceVersion", resource_version}}},
                           {"status", status}};
  return Call("PATCH", *path, ContentType(PatchType::kMerge), api::DumpJson(patch));
}

base::Status Api::Delete(const Resource& resource, const std::string& ns, const std::string& name,
                         const DeleteOptions& options) const {
  // An empty name would delete the collection.
  if (name.empty()) return base::Status(base::Code::kInvalidArgument, "no object name");
  const auto path = ResourcePath(resource, ns, name);
  if (!path.ok()) return path.status();
  api::Json body = {
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", options.propagation}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) {
    body["preconditions"]["resourceVersion"] = options.resource_version;
  }
  if (options.grace_seconds) body["gracePeriodSeconds"] = *options.grace_seconds;
  return Call("DELETE", *path, "application/json", api::DumpJson(body)).status();
}

base::Status Api::DeleteCollection(const Resource& resource, const std::string& ns,
                                   const ListOptions& options) const {
  const auto path = ResourcePath(resource, ns, "");
  if (!path.ok()) return path.status();
  const Query query = {{"labelSelector", options.label_selector},
                       {"fieldSelector", options.field_selector}};
  return Call("DELETE", *path + QueryString(query), "", "").status();
}

base::Status Api::Watch(const Resource& resource, const std::string& ns, const ListOptions& options,
                        std::chrono::seconds server_timeout, std::chrono::milliseconds idle,
                        std::stop_token stop,
                        const std::function<bool(std::string_view line)>& on_line) const {
  const auto path = ResourcePath(resource, ns, "");
  if (!path.ok()) return path.status();
  const Query query = {{"watch", "true"},
                       {"allowWatchBookmarks", "true"},
                       {"labelSelector", options.label_selector},
                       {"fieldSelector", options.field_selector},
                       {"resourceVersion", options.resource_version},
                       {"timeoutSeconds", std::to_string(server_timeout.count())}};
  rest::Request request;
  request.method = "GET";
  request.path = *path + QueryString(query);
  request.bearer_token = token_;
  rest::Response response;
  base::Status status = transport_->Stream(request, idle, std::move(stop), on_line, &response);
  if (!status.ok()) return status;
  return response.status == 200 ? base::Status::Ok() : StatusOf(response);
}

}  // namespace sandgate::kube
