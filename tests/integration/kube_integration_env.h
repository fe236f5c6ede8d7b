// What the tests against a real API server share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "libs/kube/api.h"

namespace sandgate::kube {

// The kubeconfig of dev/testenv: cluster-admin by client certificate.
rest::Config RealConfig();
// One transport for the whole program.
std::shared_ptr<rest::Transport> RealTransport();
// A namespace of the test's own, with a name that no other test has.
std::string NewNamespace(const Api& api);
// The token of alice, bob or carol.
std::string TokenOf(const std::string& user);

// For a child process: leads until it is killed, and says so on stdout. Never returns.
[[noreturn]] void LeadUntilKilled(const std::string& ns, const std::string& identity);

}  // namespace sandgate::kube
