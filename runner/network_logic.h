// A run's network as its code sees it: names in /etc/hosts, variables, authorities. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/api/run_network.h"
#include "runner/run_spec.h"

namespace sandgate::runner {

// The run's own ports, at 127.0.0.1: an HTTP proxy, and TLS by the name in the ClientHello.
inline constexpr uint16_t kProxyDoorPort = 3128;
inline constexpr uint16_t kTlsDoorPort = 443;

// kInvalidArgument names the member: an address that is none, a grant that would not stand in one
// header, a domain that would not stand in one line of /etc/hosts, authorities that are no PEM.
base::Status CheckNetwork(const api::RunNetwork& network);

// /etc/hosts: this host's names, and the domains without a wildcard at the run's own loopback.
// `host_name` is the pod's.
std::string HostsText(const std::vector<std::string>& domains, std::string_view host_name);

// What there is to trust.
struct Authorities {
  bool given = false;     // by the deployment, beside the image's own
  bool in_image = false;  // the image has a file of them
};

// The variables that clients of all kinds look at, beside RunEnvironment().
std::vector<std::string> NetworkEnvironment(const Authorities& authorities);

// Files and variables, for the run's spec. Neither the grant nor the proxy's address is among them.
void AddNetwork(const api::RunNetwork& network, std::string_view host_name,
                bool image_has_authorities, RunSpec* spec);

}  // namespace sandgate::runner
