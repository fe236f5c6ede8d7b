// From a request line to the parts that FakeTransport works with.
#pragma once

#include <optional>

#include "tests/support/fake_transport.h"

namespace sandgate::testing {

// nullopt when the path is not one of the API server's.
std::optional<Call> ParseCall(const rest::Request& request);

}  // namespace sandgate::testing
