// The command line of sandgate-gateway. Pure.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "libs/http/address.h"

namespace sandgate::gateway {

struct Options {
  http::Address listen{"0.0.0.0", 8443};
  http::Address health{"0.0.0.0", 8081};
  std::string tls_cert;
  std::string tls_key;
  std::string kubeconfig;  // "" = $KUBECONFIG, else the pod's ServiceAccount
  std::string required_audience;
  bool help = false;
  bool version = false;
};

extern const char kUsage[];

// "--name value" or "--name=value". The string says what is wrong.
std::variant<Options, std::string> ParseOptions(const std::vector<std::string>& arguments);

}  // namespace sandgate::gateway
