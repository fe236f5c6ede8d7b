// How this folder's readers refuse a member: "field: problem".
#pragma once

#include <string>

#include "libs/base/status.h"

namespace sandgate::api {

inline base::Status BadField(const std::string& field, const std::string& problem) {
  return base::Status(base::Code::kInvalidArgument, field + ": " + problem);
}

}  // namespace sandgate::api
