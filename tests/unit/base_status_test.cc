#include <gtest/gtest.h>

#include <set>
#include <string>

#include "libs/base/status.h"

namespace sandgate::base {
namespace {

TEST(StatusTest, DefaultIsOk) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), Code::kOk);
  EXPECT_EQ(status.ToString(), "Ok");
}

TEST(StatusTest, FailureSaysCodeAndMessage) {
  const Status status(Code::kNotFound, "no such pod");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.ToString(), "NotFound: no such pod");
}

TEST(StatusTest, ContextGoesBeforeTheMessageAndKeepsTheCode) {
  const Status status = Status(Code::kConflict, "stale").WithContext("patch status");
  EXPECT_EQ(status.code(), Code::kConflict);
  EXPECT_EQ(status.message(), "patch status: stale");
  EXPECT_TRUE(Status::Ok().WithContext("patch status").ok());
}

TEST(StatusTest, EveryCodeHasItsOwnName) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    names.insert(CodeName(static_cast<Code>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Code::kInternal) + 1);
  EXPECT_FALSE(names.contains("Unknown"));
}

TEST(ResultTest, HoldsAValueOrTheReason) {
  Result<std::string> good = std::string("x");
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, "x");
  EXPECT_TRUE(good.status().ok());
  EXPECT_EQ(std::move(good).value(), "x");

  const Result<std::string> bad = Status(Code::kGone, "old");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().code(), Code::kGone);
}

}  // namespace
}  // namespace sandgate::base
