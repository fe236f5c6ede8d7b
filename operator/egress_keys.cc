#include "operator/egress_keys.h"

#include "libs/api/meta.h"
#include "libs/api/runner_protocol.h"
#include "libs/base/log.h"
#include "operator/apply.h"

namespace sandgate::op {
namespace {

using api::Json;
using base::Code;
using base::Result;
using base::Status;

constexpr int kAttempts = 12;  // steps, and writes lost against others
constexpr char kSuffix[] = ".pem";
constexpr size_t kMaxEntries = 16;

// The two objects as they were read; null where there is none.
struct Objects {
  Json secret, config_map;
};

Status Foreign(const char* kind, const char* name, const std::string& what) {
  return Status(Code::kInvalidArgument, std::string(kind) + " " + name + ": " + what +
                                            ". Delete it (and with the Secret " +
                                            kEgressSigningSecret + " the ConfigMap " +
                                            kEgressKeysConfigMap + ") for new keys");
}

Status ForeignSecret(const std::string& what) {
  return Foreign("Secret", kEgressSigningSecret, what);
}

Status ForeignConfigMap(const std::string& what) {
  return Foreign("ConfigMap", kEgressKeysConfigMap, what);
}

bool Ours(const Json& object) {
  const Json& labels = api::Member(api::Member(object, "metadata"), "labels");
  return api::StringOr(labels, kManagedByLabel) == kManagedBy;
}

// "" when the entry is not named as a key is.
std::string IdOf(const std::string& entry) {
  if (!entry.ends_with(kSuffix)) return "";
  return entry.substr(0, entry.size() - (sizeof kSuffix - 1));
}

// Entries are named in messages only when they look like a key's name: they are not ours to repeat.
Status ReadPrivate(const Json& secret, GrantKeys* keys) {
  if (secret.is_null()) return Status::Ok();
  if (!Ours(secret)) return ForeignSecret("it was not made by this operator");
  const Json& data = api::Member(secret, "data");
  if (data.is_object() && data.size() > kMaxEntries)
    return ForeignSecret("it has too many entries");
  for (const auto& [entry, value] : data.items()) {
    const std::string id = IdOf(entry);
    const auto pem = value.is_string() ? api::Base64Decode(value.get<std::string>()) : std::nullopt;
    const auto open = egress::PublicGrantKey(pem.value_or(""));
    if (!open.ok()) return ForeignSecret("an entry is no Ed25519 private key");
    if (*egress::GrantKeyId(*open) != id) {
      return ForeignSecret("an entry holds another key than its name says");
    }
    keys->state.signing.insert(id);
    keys->private_pems[id] = *pem;
  }
  return Status::Ok();
}

Status ReadPublic(const Json& config_map, GrantKeys* keys) {
  if (config_map.is_null()) return Status::Ok();
  if (!Ours(config_map)) return ForeignConfigMap("it was not made by this operator");
  const Json& data = api::Member(config_map, "data");
  if (data.is_object() && data.size() > kMaxEntries) {
    return ForeignConfigMap("it has too many entries");
  }
  const Json& annotations = api::Member(api::Member(config_map, "metadata"), "annotations");
  for (const auto& [entry, value] : data.items()) {
    const std::string id = IdOf(entry);
    const std::string pem = value.is_string() ? value.get<std::string>() : "";
    if (!egress::GrantVerifier::Create({pem}).ok()) {
      return ForeignConfigMap("an entry is no Ed25519 public key");
    }
    if (*egress::GrantKeyId(pem) != id) {
      return ForeignConfigMap("an entry holds another key than its name says");
    }
    keys->state.published[id] =
        base::ParseTime(api::StringOr(annotations, kSignsFromAnnotation + id));
  }
  return Status::Ok();
}

Result<Json> ReadOrNull(const kube::Api& api, const Settings& settings,
                        const kube::Resource& resource, const char* name) {
  auto found = api.Get(resource, settings.ns, name);
  if (found.status().code() == Code::kNotFound) return Json();
  return found;
}

Result<GrantKeys> Read(const kube::Api& api, const Settings& settings, Objects* objects) {
  auto secret = ReadOrNull(api, settings, kube::kSecrets, kEgressSigningSecret);
  if (!secret.ok()) return secret.status().WithContext("reading the grant keys");
  auto config_map = ReadOrNull(api, settings, kube::kConfigMaps, kEgressKeysConfigMap);
  if (!config_map.ok()) return config_map.status().WithContext("reading the grant keys");
  GrantKeys keys;
  if (Status read = ReadPrivate(*secret, &keys); !read.ok()) return read;
  if (Status read = ReadPublic(*config_map, &keys); !read.ok()) return read;
  *objects = {std::move(secret).value(), std::move(config_map).value()};
  return keys;
}

// Changes `found` as a merge patch with its version, or creates it with what `change` has.
Status Write(const kube::Api& api, const Settings& settings, const kube::Resource& resource,
             const char* name, const Json& found, Json change) {
  if (found.is_null()) {
    change["metadata"]["name"] = name;
    change["metadata"]["labels"] = {{kManagedByLabel, kManagedBy}};
    return api.Create(resource, settings.ns, change).status();
  }
  change["metadata"]["resourceVersion"] =
      api::Member(api::Member(found, "metadata"), "resourceVersion");
  return api.Patch(resource, settings.ns, name, kube::PatchType::kMerge, change).status();
}

class Step {
 public:
  Step(const kube::Api& api, const Settings& settings, const Objects& objects,
       const GrantKeys& keys)
      : api_(api), settings_(settings), objects_(objects), keys_(keys) {}

  Status Take(const GrantKeyPlan& plan) const {
    return std::visit(
        Overloaded{[](const KeepKeys&) { return Status::Ok(); },
                   [&](const MakeKey&) { return Make(); },
                   [&](const PublishKey& publish) { return Publish(publish); },
                   [&](const RetireKey& retire) {
                     return WriteSecret({{"data", {{retire.id + kSuffix, nullptr}}}});
                   },
                   [&](const WithdrawKey& withdraw) {
                     return WriteConfigMap(withdraw.id, nullptr, nullptr);
                   },
                   [](const TooManyKeys&) { return ForeignConfigMap("it has 8 keys already"); }},
        plan);
  }

 private:
  Status Make() const {
    const auto key = egress::CreateGrantKey();
    if (!key.ok()) return key.status();
    const auto id = egress::GrantKeyId(key->public_pem);
    if (!id.ok()) return id.status();
    return WriteSecret(
        {{"type", "Opaque"}, {"data", {{*id + kSuffix, api::Base64Encode(key->private_pem)}}}});
  }

  Status Publish(const PublishKey& publish) const {
    const auto open = egress::PublicGrantKey(keys_.private_pems.at(publish.id));
    if (!open.ok()) return open.status();
    return WriteConfigMap(publish.id, *open, base::FormatTime(publish.signs_from));
  }

  Status WriteSecret(Json change) const {
    if (!objects_.secret.is_null()) change.erase("type");
    return Write(api_, settings_, kube::kSecrets, kEgressSigningSecret, objects_.secret,
                 std::move(change));
  }

  Status WriteConfigMap(const std::string& id, Json pem, Json signs_from) const {
    return Write(
        api_, settings_, kube::kConfigMaps, kEgressKeysConfigMap, objects_.config_map,
        {{"metadata", {{"annotations", {{kSignsFromAnnotation + id, std::move(signs_from)}}}}},
         {"data", {{id + kSuffix, std::move(pem)}}}});
  }

  const kube::Api& api_;
  const Settings& settings_;
  const Objects& objects_;
  const GrantKeys& keys_;
};

const char* NameOf(const GrantKeyPlan& plan) {
  return std::visit(
      Overloaded{[](const KeepKeys&) { return "kept"; }, [](const MakeKey&) { return "made"; },
                 [](const PublishKey&) { return "published"; },
                 [](const RetireKey&) { return "retired"; },
                 [](const WithdrawKey&) { return "withdrawn"; },
                 [](const TooManyKeys&) { return "too many"; }},
      plan);
}

bool LostToOthers(Code code) {
  return code == Code::kAlreadyExists || code == Code::kConflict || code == Code::kNotFound;
}

}  // namespace

Result<GrantKeys> EnsureGrantKeys(const kube::Api& api, const Settings& settings, base::Time now) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Objects objects;
    Result<GrantKeys> keys = Read(api, settings, &objects);
    if (!keys.ok()) return keys;
    const GrantKeyPlan plan = PlanGrantKeys(keys->state, now);
    if (std::holds_alternative<KeepKeys>(plan)) return keys;
    const Status taken = Step(api, settings, objects, *keys).Take(plan);
    if (taken.ok()) {
      base::LogInfo("grant keys: a step", {{"what", NameOf(plan)}});
    } else if (!LostToOthers(taken.code())) {
      return taken.WithContext("writing the grant keys");
    }
  }
  return Status(Code::kConflict, "the grant keys: others write them again and again");
}

}  // namespace sandgate::op
