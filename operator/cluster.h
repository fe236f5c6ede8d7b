// The only writer of the operator: every write to the API server goes through here and is counted.
#pragma once

#include <functional>
#include <string>

#include "libs/api/meta.h"
#include "libs/kube/api.h"

namespace sandgate::op {

// Thread-safe; calls block. Failures are those of kube::Api.
class Cluster {
 public:
  using OnWrite = std::function<void(const std::string& resource, const std::string& verb)>;

  Cluster(kube::Api api, OnWrite on_write) : api_(std::move(api)), on_write_(std::move(on_write)) {}

  // Reads that a cache cannot answer.
  const kube::Api& api() const { return api_; }

  base::Result<api::Json> Create(const kube::Resource& resource, const api::Json& object);
  // A compare-and-swap on the resourceVersion in `meta`.
  base::Result<api::Json> PatchStatus(const kube::Resource& resource, const api::ObjectMeta& meta,
                                      const api::Json& status);
  // Puts label and spec of `object` back.
  base::Status ReplaceSpec(const kube::Resource& resource, const api::Json& object);
  // `uid` "" only where the name itself cannot be another object's. Gone already is ok.
  base::Status Delete(const kube::Resource& resource, const std::string& ns,
                      const std::string& name, const std::string& uid);

 private:
  kube::Api api_;
  OnWrite on_write_;
};

}  // namespace sandgate::op
