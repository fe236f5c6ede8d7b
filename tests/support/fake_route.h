// From a request line to the parts that FakeTransport works with.
#pragma once

#include <optional>

#include "tests/support/fake_transport.h"

namespace sandgate::testing {

// nullopt when the path is not one of the API server's.
std::optional<Call> ParseCall(const rest::Request& request);

// What a change looks like to that watch: a change of its selector's verdict is an addition or a
// deletion. "" when it is not seen.
std::string WatchLineOf(const Call& call, const Change& change);

}  // namespace sandgate::testing
