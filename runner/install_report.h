// What an installer wrote about its work. Pure. The files come from a place that packages' own
// scripts may write to, so every text is taken for hostile.
#pragma once

#include <string_view>
#include <vector>

#include "libs/api/package.h"
#include "libs/base/status.h"

namespace sandgate::runner {

// The longest file that is read. pip's has the metadata of every package, npm's a tree of hundreds.
inline constexpr int64_t kMaxReportBytes = 16 * 1024 * 1024;

// pip's --report: what this install brought, the package that was asked for first. kInvalidArgument
// where it is none, or names what no package can be called.
base::Result<std::vector<api::InstalledPackage>> ReadPipReport(std::string_view text);

// npm's node_modules/.package-lock.json: all that is installed, each name and version once.
base::Result<std::vector<api::InstalledPackage>> ReadNpmLock(std::string_view text);

// Those of `now` that `before` has not, in their order.
std::vector<api::InstalledPackage> Added(const std::vector<api::InstalledPackage>& before,
                                         const std::vector<api::InstalledPackage>& now);

}  // namespace sandgate::runner
