#include "operator/options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "operator/settings.h"

namespace sandgate::op {

const char kUsage[] =
    R"(usage: sandgate-operator [OPTION]...
       sandgate-operator audit verify FILE [OPTION]...
       sandgate-operator policy check FILE [OPTION]...
       sandgate-operator policy test FILE --tool TOOL [OPTION]...

Runs what agents ask for in sandboxes, and asks a human first where the policy says so.

  --config FILE              the policy as YAML; read again when it changes (default: built in)
  --policy-configmap NAME    the ConfigMap that FILE is mounted from: watched, so that a change holds
                             at once (default: FILE is read again every 2 s)
  --admission-policies FILE  the admission policies that must be in force, as JSON
                             (default: $SANDGATE_ADMISSION)
  --audit-file FILE          the audit log goes here too; nothing is admitted that cannot be written
                             to it (default: to the standard output alone)
  --kubeconfig FILE          how to reach the Kubernetes API (default: $KUBECONFIG, else the pod's
                             ServiceAccount)
  --namespace NAME           the operator's own (default: $POD_NAMESPACE, else sandgate-system)
  --user NAME                who the operator is to the API server
                             (default: system:serviceaccount:NAMESPACE:sandgate-operator)
  --image IMAGE              holds the runner (default: $SANDGATE_RUNNER_IMAGE)
  --pull-policy POLICY       Always, IfNotPresent or Never
                             (default: $SANDGATE_RUNNER_PULL_POLICY, else IfNotPresent)
  --gateway-host HOST        one more name or address in the gateway's certificate; may be repeated
                             (also: $SANDGATE_GATEWAY_HOSTS, separated by commas)
  --egress-service NAME      the egress proxy's Service in that namespace: the way out of runs with
                             network, which are refused without it (default: none)
  --ca-bundle FILE           authorities that runs with network trust, as PEM; read again when it
                             changes (default: those of their image alone)
  --health ADDRESS:PORT      where to serve /healthz, /readyz and /metrics over plain HTTP
                             (default 0.0.0.0:8081)
  --probe-listen ADDRESS:PORT
                             let runners try to connect here, which NetworkPolicies forbid them: runs
                             with network are refused until that was seen to be enforced
                             (default: it is not tried)
  --probe-address IP         this pod's own address, for that (default: $POD_IP)
  --webhook-config DIR       tell approvers by HTTPS: a directory with the files url, key and, for an
                             authority of your own, ca.crt; read again for each message
                             (default: nobody is told)
  --webhook-code BOOL        true puts the code's beginning into the messages (default false)
  --webhook-outcomes BOOL    false tells of questions alone, not of their ends (default true)
  --webhook-insecure BOOL    true allows an http:// URL to another machine (default false)
  --version, --help

SANDGATE_LOG_LEVEL=debug|info|warning|error sets how much is logged (default info).
)";

namespace {

constexpr size_t kMaxHostName = 256;

std::string Or(std::string value, const std::string& fallback) {
  return value.empty() ? fallback : value;
}

std::string HostName() {
  std::array<char, kMaxHostName> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return kManagedBy;
  return name.data();
}

std::vector<std::string> SplitHosts(const std::string& text) {
  std::vector<std::string> hosts;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const size_t first = text.find_first_not_of(' ', at);
    if (first < comma) {
      const size_t last = text.find_last_not_of(' ', comma - 1);
      hosts.push_back(text.substr(first, last - first + 1));
    }
    at = comma + 1;
  }
  return hosts;
}

Options FromEnvironment(const Environment& environment) {
  const Settings defaults;
  Options options;
  options.admission = environment("SANDGATE_ADMISSION");
  options.ns = Or(environment("POD_NAMESPACE"), defaults.ns);
  options.pod_name = Or(environment("POD_NAME"), HostName());
  options.image = Or(environment("SANDGATE_RUNNER_IMAGE"), defaults.image);
  options.pull_policy = Or(environment("SANDGATE_RUNNER_PULL_POLICY"), defaults.pull_policy);
  options.gateway_hosts = SplitHosts(environment("SANDGATE_GATEWAY_HOSTS"));
  options.probe_address = environment("POD_IP");
  return options;
}

// "" or what is wrong.
std::string StoreBool(const std::string& name, const std::string& value, bool* option) {
  if (value != "true" && value != "false") return name + " must be true or false";
  *option = value == "true";
  return "";
}

// "" or what is wrong.
std::string Store(const std::string& name, const std::string& value, Options* options) {
  const std::map<std::string, std::string*> texts = {
      {"--config", &options->config},
      {"--policy-configmap", &options->policy_config_map},
      {"--admission-policies", &options->admission},
      {"--audit-file", &options->audit_file},
      {"--kubeconfig", &options->kubeconfig},
      {"--namespace", &options->ns},
      {"--user", &options->user},
      {"--image", &options->image},
      {"--pull-policy", &options->pull_policy},
      {"--probe-address", &options->probe_address},
      {"--egress-service", &options->egress_service},
      {"--ca-bundle", &options->ca_bundle},
      {"--webhook-config", &options->webhook.directory}};
  const std::map<std::string, bool*> bools = {
      {"--webhook-code", &options->webhook.text.include_code},
      {"--webhook-outcomes", &options->webhook.outcomes},
      {"--webhook-insecure", &options->webhook.allow_insecure}};
  if (const auto found = bools.find(name); found != bools.end()) {
    return StoreBool(name, value, found->second);
  }
  const auto text = texts.find(name);
  if (text == texts.end() && name != "--health" && name != "--gateway-host" &&
      name != "--probe-listen") {
    return "unknown option " + name;
  }
  const bool may_be_empty = name == "--egress-service" || name == "--ca-bundle";
  if (value.empty() && !may_be_empty) return name + " needs a value";
  if (text != texts.end()) {
    *text->second = value;
    return "";
  }
  if (name == "--gateway-host") {
    options->gateway_hosts.push_back(value);
    return "";
  }
  const auto parsed = http::ParseAddress(value);
  if (!parsed) return name + " must be ADDRESS:PORT, for example 0.0.0.0:8081";
  if (name == "--health") options->health = *parsed;
  if (name == "--probe-listen") options->probe_listen = *parsed;
  return "";
}

// A DNS label of RFC 1035, as the API server wants it: it goes into a path.
bool IsServiceName(const std::string& name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return name.size() <= 63 && letter(name.front()) && name.back() != '-' &&
         std::all_of(name.begin(), name.end(), inner);
}

// What follows from the rest; "" or what is wrong.
std::string Complete(Options* options) {
  if (options->user.empty()) {
    options->user = "system:serviceaccount:" + options->ns + ":sandgate-operator";
  }
  if (!options->egress_service.empty() && !IsServiceName(options->egress_service)) {
    return "--egress-service must be a Service's name, for example sandgate-egress";
  }
  const std::string& policy = options->pull_policy;
  if (policy != "Always" && policy != "IfNotPresent" && policy != "Never") {
    return "--pull-policy must be Always, IfNotPresent or Never";
  }
  if (options->probe_listen && options->probe_address.empty()) {
    return "--probe-listen needs --probe-address, this pod's own address (or $POD_IP)";
  }
  return "";
}

}  // namespace

std::string ProcessEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

std::variant<Options, std::string> ParseOptions(const std::vector<std::string>& arguments,
                                                const Environment& environment) {
  Options options = FromEnvironment(environment);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    if (name == "--version") {
      options.version = true;
      return options;
    }
    std::string value;
    if (equals != std::string::npos) {
      value = arguments[i].substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    }
    std::string problem = Store(name, value, &options);
    if (!problem.empty()) return problem;
  }
  std::string problem = Complete(&options);
  if (!problem.empty()) return problem;
  return options;
}

}  // namespace sandgate::op
