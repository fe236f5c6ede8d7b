// ConfigMaps as people write them into files: what `policy test --namespace` judges by. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libs/base/status.h"

namespace sandgate::policy {

inline constexpr size_t kMaxManifests = 1024;

struct ConfigMapManifest {
  std::string name;
  std::map<std::string, std::string> labels, annotations, data;
};

// The ConfigMaps among the documents of `yaml`, those in Lists too; other objects are passed over,
// so that a whole rendered chart is fine. kInvalidArgument: file, line and what is wrong.
base::Result<std::vector<ConfigMapManifest>> ReadConfigMaps(const std::string& yaml,
                                                            const std::string& file_name);

}  // namespace sandgate::policy
