#include "libs/api/meta.h"

#include <algorithm>

namespace sandgate::api {

bool ObjectMeta::OwnedBy(const std::string& owner_uid) const {
  return std::any_of(owners.begin(), owners.end(),
                     [&](const OwnerReference& owner) { return owner.uid == owner_uid; });
}

const Condition* FindCondition(const Conditions& conditions, const std::string& type) {
  const auto found = std::find_if(conditions.begin(), conditions.end(),
                                  [&](const Condition& one) { return one.type == type; });
  return found == conditions.end() ? nullptr : &*found;
}

bool SetCondition(Conditions* conditions, Condition condition, base::Time now) {
  const auto found = std::find_if(conditions->begin(), conditions->end(),
                                  [&](const Condition& one) { return one.type == condition.type; });
  if (found == conditions->end()) {
    condition.last_transition = now;
    conditions->push_back(std::move(condition));
    return true;
  }
  condition.last_transition =
      found->status == condition.status ? found->last_transition : std::optional(now);
  if (*found == condition) return false;
  *found = std::move(condition);
  return true;
}

std::optional<base::Time> TimeFromJson(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  return member.is_string() ? base::ParseTime(member.get_ref<const std::string&>()) : std::nullopt;
}

std::vector<std::string> StringsFromJson(const Json& list) {
  std::vector<std::string> strings;
  if (!list.is_array()) return strings;
  for (const Json& item : list) {
    if (item.is_string()) strings.push_back(item.get<std::string>());
  }
  return strings;
}

ObjectMeta MetaFromJson(const Json& object) {
  const Json& json = Member(object, "metadata");
  ObjectMeta meta;
  meta.ns = StringOr(json, "namespace");
  meta.name = StringOr(json, "name");
  meta.uid = StringOr(json, "uid");
  meta.resource_version = StringOr(json, "resourceVersion");
  meta.generation = IntOr(json, "generation");
  meta.creation_time = TimeFromJson(json, "creationTimestamp");
  meta.deletion_time = TimeFromJson(json, "deletionTimestamp");
  for (const auto& [key, value] : Member(json, "labels").items()) {
    if (value.is_string()) meta.labels[key] = value.get<std::string>();
  }
  for (const Json& owner : Member(json, "ownerReferences")) {
    meta.owners.push_back({StringOr(owner, "apiVersion"), StringOr(owner, "kind"),
                           StringOr(owner, "name"), StringOr(owner, "uid"),
                           BoolOr(owner, "controller")});
  }
  return meta;
}

Conditions ConditionsFromJson(const Json& list) {
  Conditions conditions;
  if (!list.is_array()) return conditions;
  for (const Json& json : list) {
    conditions.push_back({StringOr(json, "type"), StringOr(json, "status"),
                          StringOr(json, "reason"), StringOr(json, "message"),
                          TimeFromJson(json, "lastTransitionTime")});
  }
  return conditions;
}

Json ToJson(const Conditions& conditions) {
  Json list = Json::array();
  for (const Condition& condition : conditions) {
    Json json = {{"type", condition.type},
                 {"status", condition.status},
                 {"reason", condition.reason},
                 {"message", condition.message}};
    if (condition.last_transition) {
      json["lastTransitionTime"] = base::FormatTime(*condition.last_transition);
    }
    list.push_back(std::move(json));
  }
  return list;
}

Requester RequesterFromJson(const Json& json) {
  return {StringOr(json, "username"), StringOr(json, "uid")};
}

Json OwnerToJson(const OwnerReference& owner) {
  return {{"apiVersion", owner.api_version},
          {"kind", owner.kind},
          {"name", owner.name},
          {"uid", owner.uid},
          {"controller", owner.controller},
          {"blockOwnerDeletion", true}};
}

}  // namespace sandgate::api
