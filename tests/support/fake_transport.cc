#include "tests/support/fake_transport.h"

#include <algorithm>
#include <set>

#include "tests/support/fake_route.h"
#include "tests/support/fake_selector.h"

namespace sandgate::testing {
namespace {

using api::Json;
using base::Code;
using base::Status;

rest::Response Reply(unsigned status, const Json& body) {
  return {status, api::DumpJson(body), std::chrono::seconds(0)};
}

Json StatusObject(const Refusal& refusal) {
  return {{"kind", "Status"},           {"apiVersion", "v1"},       {"status", "Failure"},
          {"message", refusal.message}, {"reason", refusal.reason}, {"code", refusal.status}};
}

rest::Response Refuse(const Refusal& refusal) {
  return Reply(refusal.status, StatusObject(refusal));
}

rest::Response ReplyWith(const WriteResult& result, unsigned status) {
  return result.ok() ? Reply(status, result.object) : Refuse(*result.refusal);
}

std::string QueryOr(const Call& call, const std::string& key) {
  const auto found = call.query.find(key);
  return found == call.query.end() ? "" : found->second;
}

int64_t Number(const std::string& text) {
  return std::strtoll(text.c_str(), nullptr, 10);
}

bool Matches(const Call& call, const Json& object) {
  return MatchesLabels(QueryOr(call, "labelSelector"), object) &&
         MatchesFields(QueryOr(call, "fieldSelector"), object);
}

const Refusal kExpired{410, "Expired", "too old resource version"};

ObjectKey KeyFor(const kube::Resource& resource, const Json& object) {
  const Json& meta = api::Member(object, "metadata");
  return {NameOf(resource), api::StringOr(meta, "namespace"), api::StringOr(meta, "name")};
}

}  // namespace

std::string NameOf(const kube::Resource& resource) {
  return resource.group.empty() ? resource.plural : resource.plural + "." + resource.group;
}

FakeTransport::FakeTransport(const base::Clock& clock) : store_(clock) {}

base::Result<rest::Response> FakeTransport::Do(const rest::Request& request) {
  if (request.stop.stop_requested()) return Status(Code::kCancelled, "stopped");
  const std::optional<Call> call = ParseCall(request);
  if (!call) return Refuse({404, "NotFound", "the server could not find the requested resource"});
  if (before_call) before_call(*call);
  const Fault wrong = fault ? fault(*call) : Fault::kNone;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    calls_.push_back(*call);
  }
  switch (wrong) {
    case Fault::kNone:
    case Fault::kLostAnswer:
      break;
    case Fault::kUnreachable:
      return Status(Code::kUnavailable, "connection refused (by the test)");
    case Fault::kServerError:
      return Refuse({500, "InternalError", "internal error (by the test)"});
    case Fault::kThrottled:
      return Refuse({429, "TooManyRequests", "too many requests (by the test)"});
  }
  rest::Response response;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    response = Serve(*call);
  }
  changed_.notify_all();
  if (after_call) after_call(*call, response.status);
  if (wrong == Fault::kLostAnswer) {
    return Status(Code::kDeadlineExceeded, "the answer was lost (by the test)");
  }
  return response;
}

rest::Response FakeTransport::Serve(const Call& call) {
  Json body = Json::object();
  if (!call.body.empty()) {
    auto parsed = api::ParseJson(call.body);
    if (!parsed.ok()) return Refuse({400, "BadRequest", parsed.status().message()});
    body = *std::move(parsed);
  }
  const WriteContext context{call.token, call.dry_run};
  if (call.method == "GET" && call.key.name.empty()) return ServeList(call);
  if (call.method == "GET") {
    const Json* found = store_.Find(call.key);
    if (found != nullptr) return Reply(200, *found);
    return Refuse({404, "NotFound", call.key.resource + " \"" + call.key.name + "\" not found"});
  }
  if (call.method == "POST") return ServeCreate(call, body);
  if (call.method == "PATCH") {
    return ReplyWith(store_.Patch(call.key, call.subresource, call.content_type, body, context),
                     200);
  }
  if (call.method == "DELETE" && call.key.name.empty()) return ServeDeleteCollection(call);
  if (call.method == "DELETE") return ReplyWith(store_.Delete(call.key, body, context), 200);
  return Refuse({405, "MethodNotAllowed", "the fake does not serve " + call.method});
}

rest::Response FakeTransport::ServeCreate(const Call& call, const Json& body) {
  if (const auto found = virtual_.find(call.key.resource); found != virtual_.end()) {
    return Reply(201, found->second(call, body));
  }
  ObjectKey key = call.key;
  const Json& meta = api::Member(body, "metadata");
  key.name = api::StringOr(meta, "name");
  if (key.name.empty() && !api::StringOr(meta, "generateName").empty()) {
    key.name = api::StringOr(meta, "generateName") + "g" + std::to_string(++generated_names_);
  }
  if (key.name.empty()) return Refuse({422, "Invalid", "metadata.name: Required value"});
  return ReplyWith(store_.Create(key, body, {call.token, call.dry_run}), 201);
}

rest::Response FakeTransport::ServeDeleteCollection(const Call& call) {
  std::vector<ObjectKey> doomed;
  for (const auto& [key, object] : store_.All()) {
    if (key.resource == call.key.resource && (call.key.ns.empty() || key.ns == call.key.ns) &&
        Matches(call, *object)) {
      doomed.push_back(key);
    }
  }
  for (const ObjectKey& key : doomed) {
    const WriteResult result = store_.Delete(key, Json::object(), {call.token, call.dry_run});
    if (!result.ok()) return Refuse(*result.refusal);
  }
  return Reply(200, {{"kind", "Status"}, {"status", "Success"}});
}

// A continuation is "version/position": good as long as that version is not compacted.
rest::Response FakeTransport::ServeList(const Call& call) {
  const std::string token = QueryOr(call, "continue");
  const int64_t version = token.empty() ? store_.revision() : Number(token);
  const auto skip = static_cast<size_t>(
      token.empty() ? 0 : Number(token.substr(std::min(token.find('/'), token.size() - 1) + 1)));
  if (version <= store_.compacted()) return Refuse(kExpired);
  std::vector<const Json*> matching;
  for (const Json* object : store_.List(call.key.resource, call.key.ns)) {
    if (Matches(call, *object)) matching.push_back(object);
  }
  const auto limit = static_cast<size_t>(Number(QueryOr(call, "limit")));
  const size_t begin = std::min(skip, matching.size());
  const size_t end = limit == 0 ? matching.size() : std::min(begin + limit, matching.size());
  Json items = Json::array();
  for (size_t i = begin; i < end; ++i) items.push_back(*matching[i]);
  Json meta = {{"resourceVersion", std::to_string(version)}};
  if (end < matching.size()) {
    meta["continue"] = std::to_string(version) + "/" + std::to_string(end);
  }
  return Reply(200, {{"kind", "List"}, {"metadata", meta}, {"items", items}});
}

void FakeTransport::SetAdmission(Admission admission) {
  const std::lock_guard<std::mutex> lock(mutex_);
  store_.admission = std::move(admission);
}

void FakeTransport::SetVirtual(const kube::Resource& resource,
                               std::function<Json(const Call&, const Json&)> answer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  virtual_[NameOf(resource)] = std::move(answer);
}

Json FakeTransport::Put(const kube::Resource& resource, const Json& object) {
  const ObjectKey key = KeyFor(resource, object);
  Json stored;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Admission admission = std::exchange(store_.admission, nullptr);
    Json fresh = object;
    fresh["apiVersion"] = resource.ApiVersion();
    fresh["kind"] = resource.kind;
    if (store_.Find(key) == nullptr) stored = store_.Create(key, fresh, {}).object;
    Json patch = object;
    for (const char* field : {"uid", "resourceVersion"}) patch["metadata"].erase(field);
    for (const char* subresource : {"", "status"}) {
      stored = store_.Patch(key, subresource, "application/merge-patch+json", patch, {}).object;
    }
    store_.admission = admission;
  }
  changed_.notify_all();
  return stored;
}

std::optional<Json> FakeTransport::Find(const kube::Resource& resource, const std::string& ns,
                                        const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Json* found = store_.Find({NameOf(resource), ns, name});
  return found == nullptr ? std::nullopt : std::optional(*found);
}

std::vector<Json> FakeTransport::All(const kube::Resource& resource, const std::string& ns) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Json> all;
  for (const Json* object : store_.List(NameOf(resource), ns)) all.push_back(*object);
  return all;
}

bool FakeTransport::Remove(const kube::Resource& resource, const std::string& ns,
                           const std::string& name) {
  bool removed = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Admission admission = std::exchange(store_.admission, nullptr);
    removed = store_.Delete({NameOf(resource), ns, name}, Json::object(), {}).ok();
    store_.admission = admission;
  }
  changed_.notify_all();
  return removed;
}

int FakeTransport::CollectGarbage() {
  int removed = 0;
  const std::lock_guard<std::mutex> lock(mutex_);
  const Admission admission = std::exchange(store_.admission, nullptr);
  for (bool again = true; again;) {
    again = false;
    std::set<std::string> alive;
    for (const auto& [key, object] : store_.All()) {
      alive.insert(api::StringOr(api::Member(*object, "metadata"), "uid"));
    }
    std::vector<ObjectKey> orphans;
    for (const auto& [key, object] : store_.All()) {
      const Json& owners = api::Member(api::Member(*object, "metadata"), "ownerReferences");
      const bool owned = owners.is_array() && !owners.empty();
      const bool orphan = owned && std::none_of(owners.begin(), owners.end(), [&](const Json& one) {
                            return alive.contains(api::StringOr(one, "uid"));
                          });
      const bool deleting = api::Member(*object, "metadata").contains("deletionTimestamp");
      if (orphan && !deleting) orphans.push_back(key);
    }
    for (const ObjectKey& key : orphans) {
      if (!store_.Delete(key, Json::object(), {}).ok()) continue;
      ++removed;
      again = true;
    }
  }
  store_.admission = admission;
  changed_.notify_all();
  return removed;
}

std::vector<Change> FakeTransport::ChangesSince(int64_t revision) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Change> changes;
  for (const Change& change : store_.history()) {
    if (change.revision > revision) changes.push_back(change);
  }
  return changes;
}

int64_t FakeTransport::revision() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return store_.revision();
}

std::vector<Call> FakeTransport::calls() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return calls_;
}

void FakeTransport::ClearCalls() {
  const std::lock_guard<std::mutex> lock(mutex_);
  calls_.clear();
}

int FakeTransport::CountWrites(const std::string& resource) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(std::count_if(calls_.begin(), calls_.end(), [&](const Call& call) {
    return call.IsWrite() && !virtual_.contains(call.key.resource) &&
           (resource.empty() || call.key.resource == resource);
  }));
}

}  // namespace sandgate::testing
