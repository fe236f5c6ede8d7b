// What every Kubernetes object of ours has: metadata and conditions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libs/api/json.h"
#include "libs/base/clock.h"

namespace sandgate::api {

inline constexpr char kGroup[] = "sandgate.dev";
inline constexpr char kApiVersion[] = "sandgate.dev/v1alpha1";

struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool controller = false;
};

struct ObjectMeta {
  std::string ns;
  std::string name;
  std::string uid;
  std::string resource_version;
  int64_t generation = 0;
  std::optional<base::Time> creation_time;
  std::optional<base::Time> deletion_time;
  std::map<std::string, std::string> labels;
  std::vector<OwnerReference> owners;

  bool deleting() const { return deletion_time.has_value(); }
  bool OwnedBy(const std::string& owner_uid) const;
};

// metav1.Condition.
struct Condition {
  std::string type;
  std::string status;  // "True", "False", "Unknown"
  std::string reason;
  std::string message;
  std::optional<base::Time> last_transition;

  bool operator==(const Condition&) const = default;
};

using Conditions = std::vector<Condition>;

// nullptr when there is none of that type.
const Condition* FindCondition(const Conditions& conditions, const std::string& type);
// Adds or replaces; the transition time moves only when the status does. True if anything changed.
bool SetCondition(Conditions* conditions, Condition condition, base::Time now);

struct Requester {
  std::string username;
  std::string uid;  // "" for users that have none (certificates)

  bool operator==(const Requester&) const = default;
};

// From and to JSON. Readers take any JSON (a hostile one gives empty members, never a throw).
ObjectMeta MetaFromJson(const Json& object);
Conditions ConditionsFromJson(const Json& list);
Json ToJson(const Conditions& conditions);
Requester RequesterFromJson(const Json& json);
std::vector<std::string> StringsFromJson(const Json& list);
Json OwnerToJson(const OwnerReference& owner);
std::optional<base::Time> TimeFromJson(const Json& object, std::string_view key);

}  // namespace sandgate::api
