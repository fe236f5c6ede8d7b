#include "tests/support/fake_store.h"

#include <cstdio>
#include <utility>

namespace sandgate::testing {
namespace {

using api::Json;

Refusal NotFound(const ObjectKey& key) {
  return {404, "NotFound", key.resource + " \"" + key.name + "\" not found"};
}

Refusal Conflict(const ObjectKey& key, const std::string& why) {
  return {409, "Conflict",
          "Operation cannot be fulfilled on " + key.resource + " \"" + key.name + "\": " + why};
}

std::string Uid(int64_t number) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "00000000-0000-4000-8000-%012lld",
                static_cast<long long>(number));
  return buffer;
}

const Json& Meta(const Json& object) {
  return api::Member(object, "metadata");
}

bool HasFinalizers(const Json& object) {
  const Json& finalizers = api::Member(Meta(object), "finalizers");
  return finalizers.is_array() && !finalizers.empty();
}

// What no client may change.
void KeepSystemMetadata(const Json& old_object, Json* object) {
  for (const char* field :
       {"uid", "name", "namespace", "creationTimestamp", "deletionTimestamp", "generation"}) {
    const Json& value = api::Member(Meta(old_object), field);
    if (value.is_null()) {
      (*object)["metadata"].erase(field);
    } else {
      (*object)["metadata"][field] = value;
    }
  }
}

// The object that a patch of `subresource` makes of `old_object`.
Json Confine(const std::string& resource, const std::string& subresource, const Json& old_object,
             Json patched) {
  if (!HasStatusSubresource(resource)) return patched;
  if (subresource == "status") {
    Json object = old_object;
    if (patched.contains("status")) {
      object["status"] = patched["status"];
    } else {
      object.erase("status");
    }
    return object;
  }
  if (old_object.contains("status")) {
    patched["status"] = old_object["status"];
  } else {
    patched.erase("status");
  }
  return patched;
}

std::optional<Json> ApplyPatch(const std::string& content_type, const Json& old_object,
                               const Json& patch) {
  Json patched = old_object;
  if (content_type == "application/json-patch+json") {
    try {
      return patched.patch(patch);
    } catch (const Json::exception&) {
      return std::nullopt;
    }
  }
  patched.merge_patch(patch);
  return patched.is_object() && Meta(patched).is_object() ? std::optional(patched) : std::nullopt;
}

}  // namespace

bool HasStatusSubresource(const std::string& resource) {
  return resource.ends_with(".sandgate.dev") || resource == "pods" || resource == "namespaces";
}

const Json* FakeStore::Find(const ObjectKey& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<const Json*> FakeStore::List(const std::string& resource, const std::string& ns) const {
  std::vector<const Json*> items;
  for (const auto& [key, object] : objects_) {
    if (key.resource == resource && (ns.empty() || key.ns == ns)) items.push_back(&object);
  }
  return items;
}

std::vector<std::pair<ObjectKey, const Json*>> FakeStore::All() const {
  std::vector<std::pair<ObjectKey, const Json*>> all;
  for (const auto& [key, object] : objects_) all.emplace_back(key, &object);
  return all;
}

std::optional<Refusal> FakeStore::Admit(const AdmissionRequest& request, Json* object) const {
  return admission ? admission(request, object) : std::nullopt;
}

Json FakeStore::Commit(const ObjectKey& key, Json before, Json after, bool dry_run) {
  if (dry_run) return after;
  ++revision_;
  if (after.is_null()) {
    // The last state seen carries the version of the deletion, as the API server sends it.
    objects_.erase(key);
    before["metadata"]["resourceVersion"] = std::to_string(revision_);
    history_.push_back({revision_, key, before, nullptr});
    return before;
  }
  after["metadata"]["resourceVersion"] = std::to_string(revision_);
  objects_[key] = after;
  history_.push_back({revision_, key, std::move(before), after});
  return after;
}

WriteResult FakeStore::Create(const ObjectKey& key, Json object, const WriteContext& context) {
  if (const AdmissionRequest request{"CREATE", key, "", context.token, context.dry_run, nullptr};
      auto refusal = Admit(request, &object)) {
    return {refusal, {}};
  }
  if (objects_.contains(key)) {
    return {Refusal{409, "AlreadyExists", key.resource + " \"" + key.name + "\" already exists"},
            {}};
  }
  if (HasStatusSubresource(key.resource)) object.erase("status");
  if (key.resource == "pods") object["status"]["phase"] = "Pending";
  Json& meta = object["metadata"];
  meta["name"] = key.name;
  if (!key.ns.empty()) meta["namespace"] = key.ns;
  meta["uid"] = Uid(++uids_);
  meta["generation"] = 1;
  meta["creationTimestamp"] = base::FormatTime(clock_.Now());
  meta.erase("deletionTimestamp");
  return {std::nullopt, Commit(key, nullptr, std::move(object), context.dry_run)};
}

WriteResult FakeStore::Patch(const ObjectKey& key, const std::string& subresource,
                             const std::string& content_type, const Json& patch,
                             const WriteContext& context) {
  const Json* found = Find(key);
  if (found == nullptr) {
    if (content_type == "application/apply-patch+yaml") return Create(key, patch, context);
    return {NotFound(key), {}};
  }
  const Json old_object = *found;
  const std::string version = api::StringOr(Meta(patch), "resourceVersion");
  if (!version.empty() && version != api::StringOr(Meta(old_object), "resourceVersion")) {
    return {Conflict(key,
                     "the object has been modified; please apply your changes to the latest "
                     "version and try again"),
            {}};
  }
  // As the real one: the status endpoint ignores a wrong UID, the main one finds it immutable. So
  // it is the resourceVersion that makes a patch a compare-and-swap.
  const std::string uid = api::StringOr(Meta(patch), "uid");
  if (subresource.empty() && !uid.empty() && uid != api::StringOr(Meta(old_object), "uid")) {
    return {Refusal{422, "Invalid", "metadata.uid: Invalid value: field is immutable"}, {}};
  }
  std::optional<Json> patched = ApplyPatch(content_type, old_object, patch);
  if (!patched) {
    return {
        Refusal{422, "Invalid", "the server rejected our request due to an error in our request"},
        {}};
  }
  Json object = Confine(key.resource, subresource, old_object, std::move(*patched));
  KeepSystemMetadata(old_object, &object);
  if (const AdmissionRequest request{"UPDATE", key, subresource, context.token, context.dry_run,
                                     &old_object};
      auto refusal = Admit(request, &object)) {
    return {refusal, {}};
  }
  object["metadata"]["resourceVersion"] = Meta(old_object)["resourceVersion"];
  // A patch that changes nothing writes nothing.
  if (object == old_object) return {std::nullopt, object};
  if (api::Member(object, "spec") != api::Member(old_object, "spec")) {
    object["metadata"]["generation"] = api::IntOr(Meta(old_object), "generation", 1) + 1;
  }
  if (Meta(object).contains("deletionTimestamp") && !HasFinalizers(object)) {
    return {std::nullopt, Commit(key, std::move(object), nullptr, context.dry_run)};
  }
  return {std::nullopt, Commit(key, old_object, std::move(object), context.dry_run)};
}

WriteResult FakeStore::Delete(const ObjectKey& key, const Json& options,
                              const WriteContext& context) {
  const Json* found = Find(key);
  if (found == nullptr) return {NotFound(key), {}};
  Json old_object = *found;
  const Json& conditions = api::Member(options, "preconditions");
  for (const char* field : {"uid", "resourceVersion"}) {
    const std::string want = api::StringOr(conditions, field);
    if (!want.empty() && want != api::StringOr(Meta(old_object), field)) {
      return {
          Conflict(key, std::string("Precondition failed: ") + field + " in precondition: " + want),
          {}};
    }
  }
  if (const AdmissionRequest request{"DELETE", key, "", context.token, context.dry_run,
                                     &old_object};
      auto refusal = Admit(request, &old_object)) {
    return {refusal, {}};
  }
  if (!HasFinalizers(old_object)) {
    return {std::nullopt, Commit(key, std::move(old_object), nullptr, context.dry_run)};
  }
  if (Meta(old_object).contains("deletionTimestamp")) return {std::nullopt, old_object};
  Json object = old_object;
  object["metadata"]["deletionTimestamp"] = base::FormatTime(clock_.Now());
  return {std::nullopt, Commit(key, std::move(old_object), std::move(object), context.dry_run)};
}

}  // namespace sandgate::testing
