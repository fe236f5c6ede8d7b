// The name of an object within its kind.
#pragma once

#include <string>

#include "libs/api/json.h"

namespace sandgate::kube {

// namespace and name. Cluster-scoped objects have an empty namespace.
struct Key {
  std::string ns;
  std::string name;

  auto operator<=>(const Key&) const = default;
  std::string ToString() const { return ns.empty() ? name : ns + "/" + name; }
};

Key KeyOf(const api::Json& object);

}  // namespace sandgate::kube
