#include "operator/policy_command.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>

#include "libs/policy/manifest.h"
#include "libs/policy/policy.h"
#include "libs/policy/tools.h"
#include "operator/policy_store.h"

namespace sandgate::op {
namespace {

constexpr char kPolicyUsage[] =
    R"(usage: sandgate-operator policy check FILE [--base FILE]
       sandgate-operator policy test FILE --tool TOOL [OPTION]...

check tells whether FILE is a policy that the operator would take; test tells what it would say
about one call of a tool: how risky, who decides, until when, and for which reasons.

  --base FILE        FILE is a namespace's policy: it is laid over this one, the deployment's
  --namespace NAME   FILE holds ConfigMaps, as `kubectl get -o yaml` and `helm template` write them:
                     judge by the policy that is bound to this namespace, laid over --base or over
                     the ConfigMap sandgate-policy in FILE; where none is, by that one
  --namespace-labels KEY=VALUE,...
                     that namespace's labels, for policies that are bound by label
  --tool TOOL        code_execute, code_install_package, code_write_file, code_read_file,
                     code_list_files or code_destroy_sandbox
  --code TEXT        the code of code_execute
  --code-file FILE   the same from a file; - reads standard input
  --language NAME    python, javascript or shell (default python)
  --network          the call asks for network
  --param NAME=VALUE any other parameter: package=requests==2.31.0, registry=npm,
                     file_path=run.sh, content=..., mode=0755, path=data, timeout=60,
                     allowed_domains=a.example,b.example; may be repeated

FILE may be - for standard input. Exit code 0: checked or judged. 1: FILE is refused; the line, the key and what would be right are
written. 2: the arguments cannot be used.

  sandgate-operator policy test policy.yaml --tool code_execute --code 'import subprocess'
  sandgate-operator policy test team-a.yaml --base policy.yaml --tool code_write_file \
      --param file_path=run.sh --param content='ls'
  helm template charts/sandgate -f values.yaml | sandgate-operator policy test - \
      --namespace team-a --namespace-labels tier=gold --tool code_execute --code 'print(1)'
)";

constexpr size_t kMaxFileBytes = 1024 * 1024;

struct Arguments {
  bool help = false;
  bool test = false;
  std::string file;
  std::string base;
  std::string code_file;
  std::string ns;
  std::string ns_labels;
  policy::Call call;
};

// nullopt: it cannot be read, or has more than the limit.
std::optional<std::string> ReadAll(const std::string& path) {
  std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  if (!file.is_open()) return std::nullopt;
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  const auto size = static_cast<size_t>(file.gcount());
  if (file.bad() || size > kMaxFileBytes) return std::nullopt;
  text.resize(size);
  return text;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

bool Among(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// "" or what is wrong.
std::string AddParameter(const std::string& text, policy::Call* call) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return "--param needs NAME=VALUE, for example --param registry=npm";
  }
  const std::string name = text.substr(0, equals);
  if (name == "network_enabled") return "write --network instead of --param network_enabled";
  if (!call->parameters.emplace(name, text.substr(equals + 1)).second) {
    return "the parameter " + name + " is given twice";
  }
  return "";
}

std::string Store(const std::string& name, const std::string& value, Arguments* arguments) {
  if (name == "--param") return AddParameter(value, &arguments->call);
  if (name == "--code") return AddParameter("code=" + value, &arguments->call);
  if (name == "--language") return AddParameter("language=" + value, &arguments->call);
  const std::map<std::string, std::string*> texts = {{"--base", &arguments->base},
                                                     {"--tool", &arguments->call.tool},
                                                     {"--namespace", &arguments->ns},
                                                     {"--namespace-labels", &arguments->ns_labels},
                                                     {"--code-file", &arguments->code_file}};
  const auto text = texts.find(name);
  if (text == texts.end()) return "unknown option " + name;
  if (value.empty()) return name + " needs a value";
  if (!text->second->empty()) return name + " is given twice";
  *text->second = value;
  return "";
}

// What holds between the arguments; "" or what is wrong. Adds what a call has that names nothing.
std::string Complete(Arguments* arguments) {
  if (arguments->file.empty()) return "FILE is missing";
  if (!arguments->test) return "";
  if (!arguments->ns_labels.empty() && arguments->ns.empty()) {
    return "--namespace-labels needs --namespace";
  }
  policy::Call& call = arguments->call;
  if (call.tool.empty()) return "--tool is missing; the tools are " + Joined(policy::Tools());
  if (!Among(policy::Tools(), call.tool)) {
    return "--tool: \"" + call.tool + "\" is no tool; the tools are " + Joined(policy::Tools());
  }
  if (!arguments->code_file.empty()) {
    const auto code = ReadAll(arguments->code_file);
    if (!code) return "--code-file: " + arguments->code_file + " cannot be read, or is too large";
    if (!call.parameters.emplace("code", *code).second) return "give --code or --code-file";
  }
  if (call.tool == "code_execute") {
    if (call.parameters.count("code") == 0) return "code_execute needs --code or --code-file";
    call.parameters.emplace("language", "python");
    const std::string& language = call.parameters["language"];
    if (!api::ParseLanguage(language)) return "--language must be python, javascript or shell";
  }
  if (call.tool == "code_install_package") call.parameters.emplace("registry", "pypi");
  if (call.tool == "code_list_files") call.parameters.emplace("path", ".");
  const std::vector<std::string>& known = policy::ParametersOf(call.tool);
  for (const auto& [name, value] : call.parameters) {
    if (Among(known, name)) continue;
    return name + " is no parameter of " + call.tool + "; it has " + Joined(known);
  }
  return "";
}

// "" or what is wrong.
std::string Parse(const std::vector<std::string>& words, Arguments* arguments) {
  if (words.empty()) return "check or test is missing";
  const auto is_help = [](const std::string& word) { return word == "--help" || word == "-h"; };
  arguments->test = words[0] == "test";
  arguments->help = is_help(words[0]);
  if (arguments->help) return "";
  if (!arguments->test && words[0] != "check") return "unknown command " + words[0];
  for (size_t i = 1; i < words.size(); ++i) {
    std::string name = words[i];
    if (is_help(name)) {
      arguments->help = true;
      return "";
    }
    if (!name.starts_with("--")) {
      if (!arguments->file.empty()) return "unexpected argument " + name;
      arguments->file = name;
      continue;
    }
    if (name == "--network") {
      arguments->call.network_enabled = true;
      continue;
    }
    std::string value;
    const size_t equals = name.find('=');
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    }
    if (!arguments->test && name != "--base") return name + " is no option of policy check";
    std::string problem = Store(name, value, arguments);
    if (!problem.empty()) return problem;
  }
  return Complete(arguments);
}

using PolicyPtr = std::shared_ptr<const policy::Policy>;

base::Status Bad(const std::string& message) {
  return base::Status(base::Code::kInvalidArgument, message);
}

api::Json ConfigMapOf(const policy::ConfigMapManifest& manifest) {
  return {{"metadata", {{"name", manifest.name}, {"annotations", manifest.annotations}}},
          {"data", manifest.data}};
}

base::Result<Labels> ReadLabels(const std::string& list) {
  Labels labels;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string one = list.substr(begin, end - begin);
    const size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Bad("--namespace-labels: \"" + one + "\" is not KEY=VALUE");
    }
    labels[one.substr(0, equals)] = one.substr(equals + 1);
    begin = end + 1;
  }
  return labels;
}

// As the operator would, from the ConfigMaps in the file.
base::Result<PolicyPtr> LoadForNamespace(const Arguments& arguments) {
  const auto text = ReadAll(arguments.file);
  if (!text) return Bad(arguments.file + ": cannot be read, or has more than 1 MiB");
  const auto manifests = policy::ReadConfigMaps(*text, arguments.file);
  if (!manifests.ok()) return manifests.status();
  // Nothing came through the pipe, most likely: no answer is better than one about nothing.
  if (manifests->empty()) return Bad(arguments.file + ": there is no ConfigMap in it");
  policy::PolicyText base{"", "the built-in policy"};
  for (const auto& manifest : *manifests) {
    const auto found = manifest.data.find("policy.yaml");
    if (manifest.name != "sandgate-policy" || found == manifest.data.end()) continue;
    base = {found->second, manifest.name};
  }
  if (!arguments.base.empty()) {
    const auto other = ReadAll(arguments.base);
    if (!other) return Bad(arguments.base + ": cannot be read, or has more than 1 MiB");
    base = {*other, arguments.base};
  }
  auto below = policy::Policy::Load({base});
  if (!below.ok()) return below.status();
  auto labels = ReadLabels(arguments.ns_labels);
  if (!labels.ok()) return labels.status();
  PolicyStore store;
  store.SetBase(std::move(below).value(), base.yaml);
  store.PutNamespace(arguments.ns, std::move(labels).value());
  for (const auto& manifest : *manifests) {
    const auto label = manifest.labels.find(kPolicyLabel);
    if (label == manifest.labels.end() || label->second != "true") continue;
    const PolicyChange change = store.Put(ConfigMapOf(manifest));
    if (!change.problem.empty()) return Bad("ConfigMap " + manifest.name + ": " + change.problem);
  }
  const PolicyView view = store.For(arguments.ns);
  if (view.refused) return Bad(std::string(view.refused->code) + ": " + view.refused->message);
  return view.policy;
}

base::Result<PolicyPtr> LoadFiles(const Arguments& arguments) {
  if (!arguments.ns.empty()) return LoadForNamespace(arguments);
  std::vector<policy::PolicyText> layers;
  for (const std::string& path : {arguments.base, arguments.file}) {
    if (path.empty()) continue;
    auto text = ReadAll(path);
    if (!text) return Bad(path + ": cannot be read, or has more than 1 MiB");
    layers.push_back({std::move(*text), path});
  }
  return policy::Policy::Load(layers);
}

void Print(const policy::Policy& policy, const policy::Call& call, std::ostream& out) {
  if (!policy.sandbox().enabled) {
    out << "refused: security.sandbox.enabled is false, so no call is carried out\n";
  }
  const policy::Assessment assessment = policy.Assess(call);
  out << "risk: " << api::RiskName(assessment.risk) << "\n";
  if (assessment.needs_approval) {
    out << "approval: needed, within " << assessment.timeout.count()
        << " s; without a decision it is denied\n";
  } else {
    out << "approval: not needed\n";
  }
  for (const std::string& reason : assessment.reasons) out << "  " << reason << "\n";
}

}  // namespace

int PolicyCommand(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  Arguments arguments;
  const std::string problem = Parse(words, &arguments);
  if (arguments.help) {
    out << kPolicyUsage;
    return 0;
  }
  if (!problem.empty()) {
    err << "sandgate-operator policy: " << problem << "\n\n" << kPolicyUsage;
    return 2;
  }
  const auto policy = LoadFiles(arguments);
  if (!policy.ok()) {
    err << policy.status().message() << "\n";
    return 1;
  }
  if (arguments.test) {
    Print(**policy, arguments.call, out);
  } else {
    out << arguments.file << ": a policy, revision " << (*policy)->revision() << "\n";
  }
  return 0;
}

}  // namespace sandgate::op
