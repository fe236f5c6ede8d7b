#include "libs/policy/loader.h"

#include <algorithm>

#include "libs/policy/index_url.h"
#include "libs/policy/yaml_reader.h"

namespace sandgate::policy {
namespace {

constexpr Limits kDefaultCeilings = {2048, 2.0, 4096, 600, 10 * 1024 * 1024};
constexpr size_t kMaxRegistries = 32;
constexpr size_t kMaxImages = 256;

// What every limit may be at all, whatever the deployment says; the CRDs hold the same bounds.
void ReadLimits(const Reader& reader, Limits* limits) {
  reader.ExpectKeys(
      {"max_memory_mb", "max_cpu_cores", "max_disk_mb", "max_execution_time", "max_output_bytes"});
  if (const auto value = reader.Find("max_memory_mb"))
    limits->memory_mb = value->Integer(16, 65536);
  if (const auto value = reader.Find("max_cpu_cores")) limits->cpu_cores = value->Number(0.05, 64);
  if (const auto value = reader.Find("max_disk_mb")) limits->disk_mb = value->Integer(1, 65536);
  if (const auto value = reader.Find("max_execution_time")) {
    limits->execution_seconds = value->Integer(1, 86400);
  }
  if (const auto value = reader.Find("max_output_bytes")) {
    limits->output_bytes = value->Integer(1, 10 * 1024 * 1024);
  }
}

// A default above its ceiling would refuse every sandbox that names no limits.
void CheckCeilings(const Reader& sandbox, const SandboxSettings& settings) {
  const Reader where = sandbox.Find("limits").value_or(sandbox);
  const auto check = [&](const char* key, double value, double ceiling) {
    if (value <= ceiling) return;
    char text[160];
    std::snprintf(text, sizeof(text),
                  "the default %s (%g) is above the ceiling max_limits.%s (%g); raise the ceiling "
                  "or lower the default",
                  key, value, key, ceiling);
    where.Fail(text);
  };
  const Limits& low = settings.limits;
  const Limits& high = settings.max_limits;
  check("max_memory_mb", static_cast<double>(low.memory_mb), static_cast<double>(high.memory_mb));
  check("max_cpu_cores", low.cpu_cores, high.cpu_cores);
  check("max_disk_mb", static_cast<double>(low.disk_mb), static_cast<double>(high.disk_mb));
  check("max_execution_time", static_cast<double>(low.execution_seconds),
        static_cast<double>(high.execution_seconds));
  check("max_output_bytes", static_cast<double>(low.output_bytes),
        static_cast<double>(high.output_bytes));
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

void ReadRegistries(const Reader& registries, SandboxSettings* settings) {
  static const re2::RE2 kRegistry("[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?");
  static const re2::RE2 kHost("[a-z0-9]([-a-z0-9_.]{0,251}[a-z0-9])?");
  for (const auto& [name, hosts] : registries.Members(kMaxRegistries)) {
    if (!re2::RE2::FullMatch(name, kRegistry)) {
      hosts.Fail("a registry's name has lower-case letters, digits and dashes, for example pypi");
    }
    std::vector<std::string>& list = settings->allowed_registries[name];
    list.clear();  // a later layer replaces it
    for (const Reader& host : hosts.Items(64)) {
      list.push_back(Lower(host.Text(253)));
      if (!re2::RE2::FullMatch(list.back(), kHost)) {
        host.Fail("must be a host name, without https:// and without a path");
      }
    }
    if (list.empty()) settings->registry_urls.erase(name);  // switched off
  }
}

void ReadRegistryUrls(const Reader& urls, SandboxSettings* settings) {
  for (const auto& [name, url] : urls.Members(kMaxRegistries)) {
    const auto hosts = settings->allowed_registries.find(name);
    if (hosts == settings->allowed_registries.end()) {
      url.Fail("is of a registry that allowed_registries does not name");
    }
    const std::string text = url.Text(api::kMaxIndexUrlBytes);
    if (const std::string why = WhyNoIndexUrl(text, hosts->second); !why.empty()) url.Fail(why);
    settings->registry_urls[name] = NormalIndexUrl(text);
  }
}

// A layer below may have given the address, and this one other hosts.
void CheckOlderUrls(const Reader& registries, const SandboxSettings& settings) {
  for (const auto& [name, url] : settings.registry_urls) {
    const std::string why = WhyNoIndexUrl(url, settings.allowed_registries.at(name));
    if (why.empty()) continue;
    registries.Find(name)
        .value_or(registries)
        .Fail("has not the host of registry_urls." + name + " (" + url +
              "), which a policy below this one gives; give another address here");
  }
}

void ReadNetwork(const Reader& reader, SandboxSettings* settings) {
  reader.ExpectKeys({"enabled_by_default", "allowed_registries", "registry_urls"});
  if (const auto value = reader.Find("enabled_by_default")) {
    settings->network_enabled_by_default = value->Boolean();
  }
  const auto registries = reader.Find("allowed_registries");
  if (registries) ReadRegistries(*registries, settings);
  if (const auto urls = reader.Find("registry_urls")) ReadRegistryUrls(*urls, settings);
  if (registries) CheckOlderUrls(*registries, *settings);
}

std::string ReadImage(const Reader& reader, bool wildcard) {
  static const re2::RE2 kImage(R"([A-Za-z0-9][A-Za-z0-9._:/@-]*)");
  std::string image = reader.Text(512);
  std::string name = image;
  if (wildcard && name.back() == '*') name.pop_back();
  if (!re2::RE2::FullMatch(name, kImage)) {
    reader.Fail(wildcard ? "must be an image's name, or its beginning followed by one *"
                         : "must be an image's name, for example python:3.11-slim");
  }
  return image;
}

void ReadLanguages(const Reader& reader, SandboxSettings* settings) {
  reader.ExpectKeys({"python", "javascript", "shell"});
  for (const auto& [name, entry] : reader.Members(3)) {
    entry.ExpectKeys({"image"});
    const auto language = api::ParseLanguage(name);
    if (!language) entry.Fail("must be python, javascript or shell");
    settings->images[*language] = ReadImage(entry.Require("image"), false);
  }
}

std::string ReadRuntime(const Reader& reader) {
  static const re2::RE2 kName("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?");
  const std::string runtime = reader.Text(253);
  if (runtime == "runsc") return "gvisor";
  // The names under which clusters offer containers without gVisor: running an agent's code there
  // is never what somebody meant who deployed this.
  for (const char* plain : {"runc", "crun", "youki", "io.containerd.runc.v2"}) {
    if (runtime == plain)
      reader.Fail("is not gVisor; write runsc, or the name of its RuntimeClass");
  }
  if (!re2::RE2::FullMatch(runtime, kName)) {
    reader.Fail("must be runsc, or the name of a RuntimeClass that runs gVisor");
  }
  return runtime;
}

void ReadSandbox(const Reader& reader, SandboxSettings* settings) {
  reader.ExpectKeys(
      {"enabled", "runtime", "limits", "max_limits", "network", "languages", "allowed_images"});
  if (const auto value = reader.Find("enabled")) settings->enabled = value->Boolean();
  if (const auto value = reader.Find("runtime")) settings->runtime_class = ReadRuntime(*value);
  if (const auto value = reader.Find("limits")) ReadLimits(*value, &settings->limits);
  if (const auto value = reader.Find("max_limits")) ReadLimits(*value, &settings->max_limits);
  CheckCeilings(reader, *settings);
  if (const auto value = reader.Find("network")) ReadNetwork(*value, settings);
  if (const auto value = reader.Find("languages")) ReadLanguages(*value, settings);
  if (const auto value = reader.Find("allowed_images")) {
    settings->allowed_images.clear();
    for (const Reader& image : value->Items(kMaxImages)) {
      settings->allowed_images.push_back(ReadImage(image, true));
    }
  }
}

api::RiskLevel ReadRisk(const Reader& reader) {
  std::string name = reader.Text(64);
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  const auto risk = api::ParseRisk(name);
  if (!risk) reader.Fail("must be LOW, MEDIUM, HIGH or CRITICAL");
  return *risk;
}

std::vector<std::string> ReadTools(const Reader& reader) {
  const std::vector<std::string>& known = Tools();
  std::vector<std::string> tools = reader.Texts(known.size());
  for (size_t i = 0; i < tools.size(); ++i) {
    if (std::find(known.begin(), known.end(), tools[i]) != known.end()) continue;
    std::string all;
    for (const std::string& tool : known) all += (all.empty() ? "" : ", ") + tool;
    reader.Items(known.size())[i].Fail("is no tool; the tools are " + all);
  }
  return tools;
}

// A misspelt parameter would make a condition that never holds, and so a rule that never raises.
void CheckParameter(const Reader& reader, const std::string& param,
                    const std::vector<std::string>& tools) {
  std::string all;
  for (const std::string& tool : tools) {
    const std::vector<std::string>& known = ParametersOf(tool);
    if (std::find(known.begin(), known.end(), param) != known.end()) return;
    for (const std::string& name : known) all += (all.empty() ? "" : ", ") + name;
  }
  reader.Fail("is no parameter of the rule's tools; they have " + all);
}

Condition ReadCondition(const Reader& reader, const std::vector<std::string>& tools) {
  reader.ExpectKeys({"param", "matches", "notMatches", "equals", "in", "notIn"});
  Condition condition;
  const Reader param = reader.Require("param");
  condition.param = param.Text(64);
  CheckParameter(param, condition.param, tools);
  int operators = 0;
  for (const Operator op : {Operator::kMatches, Operator::kNotMatches, Operator::kEquals,
                            Operator::kIn, Operator::kNotIn}) {
    const auto value = reader.Find(OperatorName(op));
    if (!value) continue;
    ++operators;
    condition.op = op;
    if (op == Operator::kIn || op == Operator::kNotIn) {
      condition.values = value->Texts(kMaxListed);
      continue;
    }
    condition.values = {value->Text(kMaxPatternBytes)};
    if (op == Operator::kEquals) continue;
    std::string problem;
    condition.regex = CompilePattern(condition.values[0], &problem);
    if (!condition.regex) value->Fail(problem);
  }
  if (operators != 1) {
    reader.Fail(
        "needs exactly one of matches, notMatches, equals, in, notIn; write a second "
        "condition for a second one");
  }
  return condition;
}

Rule ReadRule(const Reader& reader) {
  reader.ExpectKeys({"tools", "risk", "conditions", "timeout", "description"});
  Rule rule;
  rule.tools = ReadTools(reader.Require("tools"));
  rule.risk = ReadRisk(reader.Require("risk"));
  const bool destroys =
      std::find(rule.tools.begin(), rule.tools.end(), Tools().back()) != rule.tools.end();
  if (destroys && rule.risk != api::RiskLevel::kLow) {
    reader.Fail(
        "code_destroy_sandbox is always LOW (it is the deletion of the Sandbox, and nothing "
        "waits before that); take it out of tools");
  }
  if (const auto conditions = reader.Find("conditions")) {
    for (const Reader& condition : conditions->Items(kMaxConditions)) {
      rule.conditions.push_back(ReadCondition(condition, rule.tools));
    }
  }
  if (const auto timeout = reader.Find("timeout")) {
    rule.timeout = std::chrono::seconds(timeout->Integer(1, 86400));
  }
  const auto description = reader.Find("description");
  rule.description = description ? description->Text(512) : "rule " + reader.path();
  return rule;
}

void ReadHitl(const Reader& reader, HitlSettings* settings) {
  reader.ExpectKeys(
      {"enabled", "auto_approve_low_risk", "default_rules", "void_on_workspace_change", "rules"});
  if (const auto value = reader.Find("enabled")) settings->enabled = value->Boolean();
  if (const auto value = reader.Find("auto_approve_low_risk")) {
    settings->auto_approve_low_risk = value->Boolean();
  }
  if (const auto value = reader.Find("default_rules")) settings->default_rules = value->Boolean();
  if (const auto value = reader.Find("void_on_workspace_change")) {
    settings->void_on_workspace_change = value->Boolean();
  }
  if (const auto value = reader.Find("rules")) {
    for (const Reader& rule : value->Items(kMaxRules)) settings->rules.push_back(ReadRule(rule));
    if (settings->rules.size() > kMaxRules) {
      value->Fail("with those of the policy below there are " +
                  std::to_string(settings->rules.size()) + " rules; at most " +
                  std::to_string(kMaxRules) + " are allowed");
    }
  }
}

void ReadLayer(const PolicyText& layer, Settings* settings) {
  if (layer.yaml.size() > kMaxPolicyBytes) {
    throw ConfigError{layer.file_name + ":1: the file has " + std::to_string(layer.yaml.size()) +
                      " bytes; at most " + std::to_string(kMaxPolicyBytes) + " are allowed"};
  }
  const Reader root = Reader::Parse(layer.yaml, layer.file_name);
  root.ExpectKeys({"security"});
  const auto security = root.Find("security");
  if (!security) return;
  security->ExpectKeys({"sandbox", "hitl"});
  if (const auto sandbox = security->Find("sandbox")) ReadSandbox(*sandbox, &settings->sandbox);
  if (const auto hitl = security->Find("hitl")) ReadHitl(*hitl, &settings->hitl);
}

}  // namespace

Settings DefaultSettings() {
  Settings settings;
  settings.sandbox.max_limits = kDefaultCeilings;
  settings.sandbox.images = {{api::Language::kPython, "python:3.11-slim"},
                             {api::Language::kJavaScript, "node:20-slim"},
                             {api::Language::kShell, "bash:5.2"}};
  return settings;
}

Settings LoadSettings(const std::vector<PolicyText>& layers) {
  Settings settings = DefaultSettings();
  for (const PolicyText& layer : layers) ReadLayer(layer, &settings);
  return settings;
}

}  // namespace sandgate::policy
