#include <gtest/gtest.h>

#include "libs/base/clock.h"

namespace sandgate::base {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

Time At(int64_t unix_seconds, nanoseconds fraction = nanoseconds(0)) {
  return Time(std::chrono::duration_cast<Time::duration>(seconds(unix_seconds) + fraction));
}

TEST(ClockTest, FormatsAsTheApiServerDoes) {
  struct Case {
    Time time;
    const char* whole;
    const char* micro;
  };
  const Case cases[] = {
      {At(0), "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
      {At(951'782'400), "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
      {At(1'767'225'599, microseconds(999'999)), "2025-12-31T23:59:59Z",
       "2025-12-31T23:59:59.999999Z"},
      {At(1'000'000'000, nanoseconds(1'999)), "2001-09-09T01:46:40Z",
       "2001-09-09T01:46:40.000001Z"},
      {At(-1, microseconds(500'000)), "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.500000Z"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(FormatTime(c.time), c.whole);
    EXPECT_EQ(FormatMicroTime(c.time), c.micro);
  }
}

TEST(ClockTest, ParsesWhatItFormats) {
  for (const int64_t at :
       {int64_t{0}, int64_t{1'700'000'000}, int64_t{-86'400}, int64_t{4'000'000'000}}) {
    const Time time = At(at, microseconds(123'456));
    EXPECT_EQ(ParseTime(FormatMicroTime(time)), time);
    EXPECT_EQ(ParseTime(FormatTime(time)), At(at));
  }
}

TEST(ClockTest, ParsesFractionsOfAnyLength) {
  EXPECT_EQ(ParseTime("1970-01-01T00:00:01.5Z"), At(1, nanoseconds(500'000'000)));
  EXPECT_EQ(ParseTime("1970-01-01T00:00:01.000000001Z"), At(1, nanoseconds(1)));
  EXPECT_EQ(ParseTime("1970-01-01T00:00:60Z"), At(60)) << "a leap second";
  EXPECT_EQ(ParseTime("2261-12-31T23:59:59Z"), At(9'214'646'399)) << "the last whole year";
}

TEST(ClockTest, RefusesWhatIsNoTime) {
  const char* const cases[] = {
      "",
      "x",
      "1970-01-01",
      "1970-01-01T00:00:00",
      "1970-01-01T00:00:00z",
      "1970-01-01t00:00:00Z",
      "1970-01-01 00:00:00Z",
      "1970-01-01T00:00:00Z ",
      " 1970-01-01T00:00:00Z",
      "1970-01-01T00:00:00+00:00",
      "1970-01-01T00:00:00.Z",
      "1970-01-01T00:00:00.1234567890Z",
      "1970-13-01T00:00:00Z",
      "1970-00-01T00:00:00Z",
      "1970-02-30T00:00:00Z",
      "1970-01-00T00:00:00Z",
      "2023-02-29T00:00:00Z",
      "1970-01-01T24:00:00Z",
      "1970-01-01T00:60:00Z",
      "1970-01-01T00:00:61Z",
      "197-01-01T00:00:00Z",
      "1970-1-01T00:00:00Z",
      "1970-01-01T-0:00:00Z",
      "1970-01-01T-1:00:00Z",
      "1970-01-01T+1:00:00Z",
      "-970-01-01T00:00:00Z",
      "1970-01-01T00:00:00.-1Z",
      // Beyond what 64 bits of nanoseconds hold: wrapped round, a far deadline would be a past one.
      "9999-12-31T23:59:59Z",
      "2262-01-01T00:00:00Z",
      "0001-01-01T00:00:00Z",
      "1600-01-01T00:00:00Z",
  };
  for (const char* text : cases) EXPECT_EQ(ParseTime(text), std::nullopt) << text;
}

TEST(ClockTest, TheRealClockGoesForward) {
  const MonotonicTime before = RealClock().MonotonicNow();
  EXPECT_GE(RealClock().MonotonicNow(), before);
  EXPECT_GT(RealClock().Now(), At(1'700'000'000));
}

}  // namespace
}  // namespace sandgate::base
