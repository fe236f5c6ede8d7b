#include "operator/cluster.h"

#include "operator/settings.h"

namespace sandgate::op {

base::Result<api::Json> Cluster::Create(const kube::Resource& resource, const api::Json& object) {
  on_write_(resource.plural, "create");
  return api_.Create(resource, api::StringOr(api::Member(object, "metadata"), "namespace"), object);
}

base::Result<api::Json> Cluster::PatchStatus(const kube::Resource& resource,
                                             const api::ObjectMeta& meta, const api::Json& status) {
  on_write_(resource.plural, "patch-status");
  return api_.PatchStatus(resource, meta.ns, meta.name, meta.uid, meta.resource_version, status);
}

base::Status Cluster::ReplaceSpec(const kube::Resource& resource, const api::Json& object) {
  on_write_(resource.plural, "patch");
  const api::Json& meta = api::Member(object, "metadata");
  const api::Json patch = {{"metadata", {{"labels", {{kManagedByLabel, kManagedBy}}}}}};
  const std::string ns = api::StringOr(meta, "namespace");
  const std::string name = api::StringOr(meta, "name");
  auto labelled = api_.Patch(resource, ns, name, kube::PatchType::kMerge, patch);
  if (!labelled.ok()) return labelled.status();
  // As a whole: a merge would leave what a stranger added.
  const api::Json replace = {
      {{"op", "replace"}, {"path", "/spec"}, {"value", api::Member(object, "spec")}}};
  return api_.Patch(resource, ns, name, kube::PatchType::kJson, replace).status();
}

base::Status Cluster::Delete(const kube::Resource& resource, const std::string& ns,
                             const std::string& name, const std::string& uid) {
  on_write_(resource.plural, "delete");
  kube::DeleteOptions options;
  options.uid = uid;
  const base::Status status = api_.Delete(resource, ns, name, options);
  return status.code() == base::Code::kNotFound ? base::Status::Ok() : status;
}

}  // namespace sandgate::op
