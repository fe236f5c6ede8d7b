// The lists of domains that people write, before anything is granted: the operator's half, with
// the tables of IDNA and of public suffixes. Pure.
#pragma once

#include <string>
#include <vector>

#include "libs/base/status.h"

namespace sandgate::egress {

inline constexpr size_t kMaxDomains = 64;
// All names of a list together: a grant must fit into a header (grant.h).
inline constexpr size_t kMaxDomainListBytes = 4096;

// The entries as a grant holds them: lower case, no final dot, IDN as A-labels (IDNA2008,
// non-transitional), duplicates once, in the order given. kInvalidArgument names the first bad
// entry by index and text, and says why: no name, an address in any notation, `*` elsewhere than as
// the whole first label, a wildcard over a public suffix (*.com, *.co.uk: everybody's), more than
// kMaxDomains or kMaxDomainListBytes.
base::Result<std::vector<std::string>> NormalizeDomainList(const std::vector<std::string>& entries);

// One entry of such a list, in its normal form.
base::Result<std::string> NormalizeDomainEntry(const std::string& entry);

}  // namespace sandgate::egress
