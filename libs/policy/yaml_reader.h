// Strict reading of YAML: every value is asked for with its type and its bounds, and every key that
// nobody asked for is an error. Internal to libs/policy: ConfigError is caught in Policy::Load.
#pragma once

#include <yaml-cpp/yaml.h>

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandgate::policy {

// "file:line: key: what is wrong and what would be right".
struct ConfigError {
  std::string message;
};

// One node with the way to it ("security.hitl.rules[2].risk").
class Reader {
 public:
  static constexpr size_t kMaxTextBytes = 1024;

  // The first and only document of `yaml`; throws ConfigError. An empty text is an empty mapping.
  static Reader Parse(const std::string& yaml, const std::string& file_name);

  [[noreturn]] void Fail(const std::string& what) const;
  const std::string& path() const { return path_; }

  // A mapping with no other keys than these, each at most once. Null counts as an empty mapping.
  void ExpectKeys(std::initializer_list<const char*> allowed) const;
  // The value of `key`; nullopt when it is absent or null.
  std::optional<Reader> Find(const std::string& key) const;
  Reader Require(const std::string& key) const;
  // Every member of a mapping whose keys are the user's own words.
  std::vector<std::pair<std::string, Reader>> Members(size_t max) const;

  bool Boolean() const;
  int64_t Integer(int64_t min, int64_t max) const;
  double Number(double min, double max) const;
  std::string Text(size_t max_bytes = kMaxTextBytes) const;  // not empty
  std::vector<Reader> Items(size_t max) const;
  std::vector<std::string> Texts(size_t max) const;  // a sequence that is not empty

 private:
  Reader(YAML::Node node, std::string path, std::string file, int line);
  Reader ChildOf(const std::string& key, const YAML::Node& node, int line) const;
  std::string Scalar(const char* wanted) const;

  YAML::Node node_;
  std::string path_;
  std::string file_;
  int line_;
};

}  // namespace sandgate::policy
