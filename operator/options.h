// The command line of sandgate-operator, over what the pod's environment says.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "libs/http/address.h"
#include "operator/webhook_options.h"

namespace sandgate::op {

struct Options {
  std::string config;             // the policy; "" = the built-in one
  std::string policy_config_map;  // the ConfigMap that `config` is mounted from; "" = not watched
  std::string admission;          // the expected admission policies ($SANDGATE_ADMISSION)
  std::string audit_file;         // "": standard output alone
  std::string kubeconfig;         // "" = $KUBECONFIG, else the pod's ServiceAccount
  http::Address health{"0.0.0.0", 8081};
  std::string ns;                          // $POD_NAMESPACE, else sandgate-system
  std::string pod_name;                    // $POD_NAME, else the host's name
  std::string image;                       // $SANDGATE_RUNNER_IMAGE
  std::string pull_policy;                 // $SANDGATE_RUNNER_PULL_POLICY
  std::vector<std::string> gateway_hosts;  // $SANDGATE_GATEWAY_HOSTS, and those of the flags
  std::string user;  // this operator's name at the API server; default: its ServiceAccount in `ns`
  std::optional<http::Address> probe_listen;  // nullopt: isolation is not measured
  std::string probe_address;                  // this pod's own, as sandboxes see it ($POD_IP)
  std::string egress_service;  // of the egress proxy, in `ns`; "": this deployment has none
  std::string ca_bundle;       // PEM authorities for runs with network; "": none
  WebhookOptions webhook;
  bool help = false;
  bool version = false;
  int workers = 4;  // threads of a controller
};

extern const char kUsage[];

// A variable's value; "" when it is not set.
using Environment = std::function<std::string(const std::string& name)>;
std::string ProcessEnvironment(const std::string& name);

// "--name value" or "--name=value". The string says what is wrong.
std::variant<Options, std::string> ParseOptions(
    const std::vector<std::string>& arguments, const Environment& environment = ProcessEnvironment);

}  // namespace sandgate::op
