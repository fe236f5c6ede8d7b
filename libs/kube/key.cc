#include "libs/kube/key.h"

namespace sandgate::kube {

Key KeyOf(const api::Json& object) {
  const api::Json& meta = api::Member(object, "metadata");
  return {api::StringOr(meta, "namespace"), api::StringOr(meta, "name")};
}

}  // namespace sandgate::kube
