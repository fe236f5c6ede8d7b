#include "api-gateway/tool_schemas.h"

#include "api-gateway/schema_parts.h"
#include "api-gateway/tool_call.h"

namespace sandgate::gateway {
namespace {

using api::Json;
using namespace schema;

void AddStreams(Json* properties) {
  (*properties)["stdout"] = Text("Standard output.");
  (*properties)["stderr"] = Text("Standard error.");
  for (const char* stream : {"stdout", "stderr"}) {
    (*properties)[std::string(stream) + "_truncated"] =
        Flag("The output limit was reached; absent otherwise.");
    (*properties)[std::string(stream) + "_replaced"] =
        Flag("Bytes that are not UTF-8 were replaced; absent otherwise.");
  }
}

Json EntrySchema() {
  return OpenObject(
      {{"name", Text("Name of the entry; bytes that are not UTF-8 are replaced.")},
       {"name_base64", Text("The name's bytes, where they are not UTF-8; absent otherwise.")},
       {"type", OneOf("What it is.", {"file", "directory", "symlink", "other"})},
       {"size", {{"type", "integer"}, {"description", "Bytes of a file."}}},
       {"mtime", Text("When it was last changed (RFC 3339).")}},
      {"name"});
}

Json PackageSchema() {
  return OpenObject({{"name", Text("Name in its registry.")},
                     {"version", Text("Version that was installed.")},
                     {"hash", Text("Digest of its archive: sha256:<hex> (pip), sha512-<base64> "
                                   "(npm); absent where the installer names none.")}},
                    {"name", "version"});
}

// What the tool gives beside success, sandbox_id, error and execution.
Json OwnProperties(const std::string& tool) {
  Json own = Json::object();
  if (tool == "code_execute") {
    AddStreams(&own);
    own["exit_code"] =
        Nullable("integer", "128+n for signal n, -1 after a timeout; null when nothing ran.");
    own["execution_time"] = {{"type", "number"}, {"description", "Seconds the code ran."}};
  } else if (tool == "code_install_package") {
    AddStreams(&own);
    own["package"] = Text("Package as it was asked for.");
    own["registry"] = Text("Registry by name.");
    own["packages"] = ListOf(PackageSchema(),
                             "What was installed, dependencies too, as the installer tells it; "
                             "empty after an error, and where all of it was there already.");
  } else if (tool == "code_write_file") {
    own["file_path"] = Text("Path as it was asked for.");
  } else if (tool == "code_read_file") {
    own["file_path"] = Text("Path as it was asked for.");
    own["content"] = Text("The file's content; \"\" after an error.");
    own["encoding"] = OneOf("What content is: text, or base64 of the bytes.", {"text", "base64"});
  } else if (tool == "code_list_files") {
    own["path"] = Text("Path as it was asked for.");
    own["files"] = ListOf({{"type", "string"}}, "Names of the entries.");
    own["entries"] = ListOf(EntrySchema(), "The entries, in the order of files.");
    own["truncated"] = Flag("There are more entries; absent otherwise.");
    own["next_cursor"] = Text("Ask again with it as cursor for those after; absent otherwise.");
  }
  return own;
}

const char* Description(const std::string& tool) {
  if (tool == "code_execute") {
    return "Execute code in an isolated gVisor sandbox. Waits for a human's approval and for the "
           "run.";
  }
  if (tool == "code_install_package") {
    return "Install a package from an allowed registry into a sandbox that has network access. "
           "Code "
           "that runs there afterwards can import it.";
  }
  if (tool == "code_write_file") {
    return "Write a file in a sandbox's workspace: all of it or, with an error, nothing.";
  }
  if (tool == "code_read_file") return "Read a file of a sandbox's workspace.";
  if (tool == "code_list_files") return "List a directory of a sandbox's workspace.";
  return "Destroy a sandbox with its workspace and everything that runs in it.";
}

}  // namespace

Json ResultSchema(const std::string& tool) {
  Json properties = OwnProperties(tool);
  properties["success"] = Flag("The tool did what was asked for (for code: exit code 0).");
  properties["sandbox_id"] = Text("Sandbox of the call.");
  properties["error"] = Nullable("string",
                                 "TimeoutError, Sandbox not found, Network access "
                                 "required for package installation, or Code: message.");
  if (tool != "code_destroy_sandbox") {
    properties["execution"] = Text("Name of the Execution object; absent when there is none.");
  }
  // The flags and the Execution's name are not always there.
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) {
    const bool optional = name.ends_with("_truncated") || name.ends_with("_replaced") ||
                          name == "truncated" || name == "next_cursor" || name == "execution";
    if (!optional) required.push_back(name);
  }
  return OpenObject(std::move(properties), std::move(required));
}

const std::vector<ToolSchema>& ToolSchemas() {
  static const std::vector<ToolSchema> schemas = [] {
    std::vector<ToolSchema> all;
    for (const std::string_view known : kToolNames) {
      const std::string name(known);
      all.push_back({name, Description(name), ParametersSchema(name), ResultSchema(name)});
    }
    return all;
  }();
  return schemas;
}

}  // namespace sandgate::gateway
