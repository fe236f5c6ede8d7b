#include "libs/policy/manifest.h"

#include <yaml-cpp/yaml.h>

namespace sandgate::policy {
namespace {

using Texts = std::map<std::string, std::string>;

struct Mistake {
  int line;
  std::string what;
};

int LineOf(const YAML::Node& node) {
  return node.Mark().line < 0 ? 1 : node.Mark().line + 1;
}

std::string TextOf(const YAML::Node& object, const char* key) {
  const YAML::Node value = object.IsMap() ? object[key] : YAML::Node();
  return value && value.IsScalar() ? value.Scalar() : "";
}

// A mapping of texts, as Kubernetes wants labels, annotations and data.
Texts TextsOf(const YAML::Node& object, const char* key) {
  Texts texts;
  if (!object || !object.IsMap()) return texts;
  const YAML::Node members = object[key];
  if (!members || members.IsNull()) return texts;
  if (!members.IsMap()) throw Mistake{LineOf(members), std::string(key) + " must be a mapping"};
  for (const auto& member : members) {
    if (!member.first.IsScalar() || !member.second.IsScalar()) {
      throw Mistake{LineOf(member.first), std::string(key) + " must hold texts alone"};
    }
    texts[member.first.Scalar()] = member.second.Scalar();
  }
  return texts;
}

void Add(const YAML::Node& object, std::vector<ConfigMapManifest>* found) {
  if (!object.IsMap()) return;
  const std::string kind = TextOf(object, "kind");
  const YAML::Node items = object["items"];
  if ((kind == "List" || kind == "ConfigMapList") && items && items.IsSequence()) {
    for (const YAML::Node& item : items) {
      // One level: kubectl writes no Lists of Lists.
      if (TextOf(item, "kind") != "List") Add(item, found);
    }
    return;
  }
  if (kind != "ConfigMap") return;
  const YAML::Node metadata = object["metadata"];
  const std::string name = metadata ? TextOf(metadata, "name") : "";
  if (name.empty()) throw Mistake{LineOf(object), "a ConfigMap without metadata.name"};
  if (found->size() == kMaxManifests) throw Mistake{LineOf(object), "too many ConfigMaps"};
  found->push_back({name, TextsOf(metadata, "labels"), TextsOf(metadata, "annotations"),
                    TextsOf(object, "data")});
}

}  // namespace

base::Result<std::vector<ConfigMapManifest>> ReadConfigMaps(const std::string& yaml,
                                                            const std::string& file_name) {
  const auto bad = [&](int line, const std::string& what) {
    return base::Status(base::Code::kInvalidArgument,
                        file_name + ":" + std::to_string(line) + ": " + what);
  };
  std::vector<ConfigMapManifest> found;
  try {
    for (const YAML::Node& document : YAML::LoadAll(yaml)) Add(document, &found);
  } catch (const Mistake& mistake) {
    return bad(mistake.line, mistake.what);
  } catch (const YAML::Exception& error) {
    return bad(error.mark.line + 1, error.msg);
  }
  return found;
}

}  // namespace sandgate::policy
