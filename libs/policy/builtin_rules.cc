#include "libs/policy/builtin_rules.h"

#include <cstdlib>

namespace sandgate::policy {
namespace {

using api::RiskLevel;

Condition Finds(const char* param, const char* pattern) {
  std::string problem;
  auto regex = CompilePattern(pattern, &problem);
  if (!regex) std::abort();  // the table below is ours; every test would meet this
  return {param, Operator::kMatches, {pattern}, std::move(regex)};
}

Condition NotAmong(const char* param, std::vector<std::string> values) {
  return {param, Operator::kNotIn, std::move(values), nullptr};
}

Rule Make(std::vector<std::string> tools, RiskLevel risk, std::vector<Condition> conditions,
          const char* description) {
  return {std::move(tools), risk, std::move(conditions), std::nullopt, description};
}

std::vector<Rule> MakeRules() {
  const Condition network = {"network_enabled", Operator::kEquals, {"true"}, nullptr};
  std::vector<std::string> anything_that_runs = Tools();
  anything_that_runs.pop_back();  // destroying is always LOW
  return {
      Make(anything_that_runs, RiskLevel::kCritical, {network}, "asks for network access"),
      Make({"code_execute"}, RiskLevel::kHigh, {}, "runs code"),
      Make({"code_install_package"}, RiskLevel::kHigh, {}, "installs a package"),
      Make({"code_install_package"}, RiskLevel::kCritical, {NotAmong("registry", {"pypi", "npm"})},
           "installs from a non-standard registry"),
      // Addresses, paths and options make the installer leave the registry that was named.
      Make(
          {"code_install_package"}, RiskLevel::kCritical,
          {Finds(
              "package",
              R"(://|^\s*-|\s-\S|^[./~]|^(?:git|file|https?|github|link):|@\s*(?:git|file|https?|npm)[:+]|@\s*(?:[./]|~/))")},
          "installs from an address instead of a registry"),
      Make({"code_write_file"}, RiskLevel::kMedium, {}, "writes a file"),
      Make({"code_write_file"}, RiskLevel::kHigh,
           {Finds("file_path", R"((?i)\.(?:sh|py|js|exe|bin)[\s/.]*$)")},
           "writes an executable file (.sh, .py, .js, .exe, .bin)"),
      Make({"code_write_file"}, RiskLevel::kHigh, {Finds("content", R"(^(?:#!|\x7fELF))")},
           "writes a program (by its first bytes)"),
      // Of any of the three that may run it; setuid and its kin stand before these digits.
      Make({"code_write_file"}, RiskLevel::kHigh, {Finds("mode", R"([1357][0-7]{0,2}$)")},
           "writes a file that may be executed (by its mode)"),
      Make({"code_read_file"}, RiskLevel::kMedium, {}, "reads a file"),
      Make({"code_list_files"}, RiskLevel::kMedium, {}, "lists files"),
  };
}

}  // namespace

const std::vector<Rule>& BuiltinRules() {
  static const std::vector<Rule> rules = MakeRules();
  return rules;
}

}  // namespace sandgate::policy
