// What the tests of libs/rest share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "libs/rest/client.h"
#include "tests/support/raw_server.h"

namespace sandgate::rest {

using std::chrono::milliseconds;

// Longer than anything here takes on the slowest machine; only a hang reaches it.
inline constexpr milliseconds kPatience{60'000};
// For what must not come: long enough to be told from "at once".
inline constexpr milliseconds kSoon{200};

inline std::unique_ptr<Transport> TransportTo(const testing::RawServer& server,
                                              Config config = {}) {
  config.base_url = server.url();
  auto transport = CreateTransport(std::move(config));
  EXPECT_TRUE(transport.ok()) << transport.status().ToString();
  return std::move(transport).value();
}

inline Request Get(const std::string& path, milliseconds deadline = kPatience) {
  Request request;
  request.method = "GET";
  request.path = path;
  request.deadline = deadline;
  return request;
}

}  // namespace sandgate::rest
