#include <gtest/gtest.h>

#include "libs/api/json.h"

namespace sandgate::api {
namespace {

std::string Nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(ParseJson, RefusesWhatWouldBeReadInTwoWays) {
  const struct {
    const char* text;
    const char* why;
  } kCases[] = {
      {"", "unexpected end"},
      {"{", "unexpected end"},
      {"{} {}", "syntax error"},
      {"{'a': 1}", "syntax error"},
      {"[1,]", "syntax error"},
      {"NaN", "syntax error"},
      {"\"\xff\"", "ill-formed UTF-8"},
      {R"({"a": 1, "a": 2})", "member \"a\" stands twice"},
      {R"({"b": {"a": 1, "\u0061": 2}})", "member \"a\" stands twice"},
      {R"([{"x": 1, "y": [{"x": 1}], "x": 3}])", "member \"x\" stands twice"},
  };
  for (const auto& one : kCases) {
    const auto parsed = ParseJson(one.text);
    ASSERT_FALSE(parsed.ok()) << one.text;
    EXPECT_EQ(parsed.status().code(), base::Code::kInvalidArgument);
    EXPECT_NE(parsed.status().message().find(one.why), std::string::npos)
        << one.text << ": " << parsed.status().message();
  }
}

TEST(ParseJson, SameNameInDifferentObjectsIsFine) {
  const auto parsed = ParseJson(R"([{"a": 1}, {"a": {"a": 2}}])");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ((*parsed)[1]["a"]["a"], 2);
}

TEST(ParseJson, SaysInFewWordsWhatIsWrongWithALongText) {
  for (const std::string& text :
       {"{\"" + std::string(100'000, '\x01'), "\"" + std::string(100'000, 'x'),
        std::string(100'000, '1') + "x", std::string(100'000, '\xff')}) {
    const auto refused = ParseJson(text);
    ASSERT_FALSE(refused.ok());
    EXPECT_LT(refused.status().message().size(), 700U) << refused.status().message();
  }
}

TEST(ParseJson, HoldsTheDepth) {
  EXPECT_TRUE(ParseJson(Nested(64)).ok());
  const auto refused = ParseJson(Nested(65));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("nested deeper than 64"), std::string::npos);
  EXPECT_FALSE(ParseJson(Nested(200'000)).ok());
  EXPECT_FALSE(ParseJson(std::string(200'000, '[')).ok());
}

TEST(Members, NeverThrowAndNeverInsert) {
  const Json object = {{"text", "x"}, {"number", 7}, {"flag", true}, {"half", 0.5}};
  EXPECT_EQ(StringOr(object, "text"), "x");
  EXPECT_EQ(StringOr(object, "number", "other"), "other");
  EXPECT_EQ(IntOr(object, "number"), 7);
  EXPECT_EQ(IntOr(object, "half", 3), 3);
  EXPECT_TRUE(BoolOr(object, "flag"));
  EXPECT_FALSE(BoolOr(object, "text"));
  EXPECT_TRUE(Member(Json::array(), "x").is_null());
  EXPECT_TRUE(Member(Json("text"), "x").is_null());
  EXPECT_EQ(object.size(), 4u);
}

TEST(ToUtf8, ReplacesAndSaysSo) {
  const struct {
    std::string in, out;
    bool replaced;
  } kCases[] = {
      {"", "", false},
      {"plain\n\t\x01", "plain\n\t\x01", false},
      {std::string("nul\0byte", 8), std::string("nul\0byte", 8), false},
      {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\x89", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\x89", false},
      {"a\xff"
       "b",
       "a\xef\xbf\xbd"
       "b",
       true},
      {"cut \xe2\x82", "cut \xef\xbf\xbd", true},
      {"surrogate \xed\xa0\x80.", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.", true},
      {"overlong \xc0\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd", true},
      {"real \xef\xbf\xbd mark", "real \xef\xbf\xbd mark", false},
  };
  for (const auto& one : kCases) {
    bool replaced = !one.replaced;
    EXPECT_EQ(ToUtf8(one.in, &replaced), one.out) << one.in;
    EXPECT_EQ(replaced, one.replaced) << one.in;
  }
}

}  // namespace
}  // namespace sandgate::api
