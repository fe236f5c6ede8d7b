// The command line of sandgate-egress. Pure.
#pragma once

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "egress-proxy/limits.h"
#include "libs/egress/address.h"
#include "libs/egress/protocol.h"
#include "libs/http/address.h"

namespace sandgate::egress {

struct Options {
  http::Address listen{"0.0.0.0", kDefaultEgressPort};
  http::Address health{"0.0.0.0", 8081};
  std::string tls_dir;    // tls.crt, tls.key
  std::string client_ca;  // FILE
  std::string keys_dir;   // *.pem
  std::string resolver;
  std::vector<Cidr> allowed_private;
  std::vector<Cidr> cluster;
  ProxyLimits limits;
  int threads = 0;  // 0: one for each core
  std::chrono::seconds drain{25};
  bool help = false;
  bool version = false;
};

extern const char kUsage[];

// "--name value" or "--name=value". The string says what is wrong.
std::variant<Options, std::string> ParseOptions(const std::vector<std::string>& arguments);

}  // namespace sandgate::egress
