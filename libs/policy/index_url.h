// The address of a registry's index, as a policy may name it. Pure.
#pragma once

#include <string>
#include <vector>

namespace sandgate::policy {

// Why `url` can be no index of a registry that has these hosts (in lower case), and what would be
// right; "" when it can. It goes into an installer's command line and environment, so that it says
// no more than where to look: https, a host of the list, a path; no port, user, query or fragment.
std::string WhyNoIndexUrl(const std::string& url, const std::vector<std::string>& hosts);

// A good one as installers get it: its host in lower case, "/" at the end.
std::string NormalIndexUrl(const std::string& url);

}  // namespace sandgate::policy
