// The tools in words and JSON Schema: what each takes, and what it gives.
#pragma once

#include <string>
#include <vector>

#include "libs/api/json.h"

namespace sandgate::gateway {

struct ToolSchema {
  std::string name;
  std::string description;
  api::Json parameters;
  api::Json result;
};

// In the order of kToolNames.
const std::vector<ToolSchema>& ToolSchemas();

// Of a tool by its name.
api::Json ParametersSchema(const std::string& tool);
api::Json ResultSchema(const std::string& tool);

}  // namespace sandgate::gateway
