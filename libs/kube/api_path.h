// URLs of the API server, built from parts that may come from a caller.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "libs/kube/api.h"

namespace sandgate::kube {

// "/apis/G/V/namespaces/NS/plural/name/subresource". `ns` "" = no namespace part, `name` "" = the
// collection. kInvalidArgument when a part could change which resource is meant ("..", "a/b",
// "%2e"): the API server decodes the path before it routes it.
base::Result<std::string> ResourcePath(const Resource& resource, std::string_view ns,
                                       std::string_view name, std::string_view subresource = "");

using Query = std::vector<std::pair<std::string_view, std::string>>;

// "?a=b&c=d", percent-encoded; members with an empty value are left out.
std::string QueryString(const Query& query);

// The query of a list, without "watch".
Query ListQuery(const ListOptions& options);

}  // namespace sandgate::kube
