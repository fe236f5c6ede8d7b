#include "libs/policy/policy.h"

namespace sandgate::policy {

Call CallOf(const api::ExecutionSpec& spec) {
  return CallOf(spec, spec.allowed_domains);
}

Call CallOf(const api::ExecutionSpec& spec, const std::vector<std::string>& domains) {
  Call call;
  call.tool = api::ToolName(spec.operation);
  call.network_enabled = spec.network_enabled;
  auto& parameters = call.parameters;
  parameters["sandbox_id"] = spec.sandbox_name;
  if (spec.timeout_seconds) parameters["timeout"] = std::to_string(*spec.timeout_seconds);
  if (!domains.empty()) {
    std::string& list = parameters["allowed_domains"];
    for (const std::string& domain : domains) {
      list += (list.empty() ? "" : ",") + domain;
    }
  }
  switch (spec.operation) {
    case api::Operation::kExecute:
      parameters["language"] = api::LanguageName(spec.language);
      parameters["code"] = spec.code;
      break;
    case api::Operation::kInstallPackage:
      parameters["package"] = spec.package;
      parameters["registry"] = spec.registry.empty() ? "pypi" : spec.registry;
      break;
    case api::Operation::kWriteFile:
      parameters["file_path"] = spec.path;
      parameters["content"] = spec.content;
      parameters["append"] = spec.append ? "true" : "false";
      if (!spec.mode.empty()) parameters["mode"] = spec.mode;
      break;
    case api::Operation::kReadFile:
      parameters["file_path"] = spec.path;
      break;
    case api::Operation::kListFiles:
      parameters["path"] = spec.path.empty() ? "." : spec.path;
      break;
  }
  return call;
}

}  // namespace sandgate::policy
