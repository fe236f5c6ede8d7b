#include "libs/http/message.h"

#include <gtest/gtest.h>

#include "libs/http/message_format.h"

namespace sandgate::http {
namespace {

TEST(MessageTest, HeaderNamesHaveNoCase) {
  Request request;
  request.headers = {{"Content-Type", "a"}, {"X-One", "b"}, {"x-one", "c"}};
  EXPECT_EQ(request.HeaderValue("content-TYPE"), "a");
  EXPECT_EQ(request.HeaderValue("X-ONE"), "b");
  EXPECT_EQ(request.HeaderCount("x-One"), 2u);
  EXPECT_EQ(request.HeaderValue("x"), "");
  EXPECT_EQ(request.HeaderCount("content"), 0u);
}

TEST(MessageTest, TargetHasPathAndQuery) {
  struct Case {
    const char* target;
    const char* path;
    const char* query;
  };
  for (const Case& c : {Case{"/a/b?c=d", "/a/b", "c=d"}, Case{"/a", "/a", ""}, Case{"/?", "/", ""},
                        Case{"/a?b?c", "/a", "b?c"}, Case{"", "", ""}}) {
    Request request;
    request.target = c.target;
    EXPECT_EQ(request.Path(), c.path) << c.target;
    EXPECT_EQ(request.Query(), c.query) << c.target;
  }
}

TEST(MessageTest, PercentDecode) {
  struct Case {
    std::string text;
    bool ok;
    std::string value;
  };
  const Case cases[] = {
      {"", true, ""},
      {"abc", true, "abc"},
      {"a+b", true, "a+b"},
      {"%2F%2f", true, "//"},
      {"%00x", true, std::string("\0x", 2)},
      {"%25%32%35", true, "%25"},
      {"%", false, ""},
      {"a%2", false, ""},
      {"%zz", false, ""},
      {"%2 ", false, ""},
      {"%-1", false, ""},
  };
  for (const Case& c : cases) {
    std::string out = "stale";
    EXPECT_EQ(PercentDecode(c.text, &out), c.ok) << c.text;
    EXPECT_EQ(c.ok ? out : "", c.value) << c.text;
  }
}

TEST(MessageTest, QueryParameter) {
  EXPECT_EQ(QueryParameter("wait=30s&x=1", "wait"), "30s");
  EXPECT_EQ(QueryParameter("wait=30s&x=1", "x"), "1");
  EXPECT_EQ(QueryParameter("a=b%26c", "a"), "b&c");
  EXPECT_EQ(QueryParameter("%61=b", "a"), "b");
  EXPECT_EQ(QueryParameter("a=1&a=2", "a"), "1");
  EXPECT_EQ(QueryParameter("a", "a"), "");
  EXPECT_EQ(QueryParameter("a=%zz", "a"), "");
  EXPECT_EQ(QueryParameter("&&=&a==", "a"), "=");
  EXPECT_EQ(QueryParameter("", "a"), "");
}

TEST(FormatTest, NoHeaderForgesALine) {
  const Header bad[] = {
      {"X", "a\r\nSet-Cookie: b"},
      {"X", "a\nb"},
      {"X", std::string("a\0b", 3)},
      {"X y", "a"},
      {"", "a"},
      {"X:", "a"},
      {"X\r\nY", "a"},
      {"X", "\x7f"},
  };
  for (const Header& header : bad) {
    Response response;
    response.headers = {header};
    EXPECT_FALSE(FormatResponseHead(response, Framing::kLength, true).ok()) << header.name;
    Request request;
    request.method = "GET";
    request.target = "/";
    request.headers = {header};
    EXPECT_FALSE(FormatRequest(request, "h").ok()) << header.name;
  }
}

TEST(FormatTest, FramingIsTheLibrarysOwn) {
  Response response;
  response.headers = {{"Content-Length", "5"}, {"transfer-encoding", "x"}, {"Connection", "x"}};
  response.body = "ab";
  const std::string head = *FormatResponseHead(response, Framing::kLength, false);
  EXPECT_EQ(head.find("Content-Length: 5"), std::string::npos);
  EXPECT_NE(head.find("Content-Length: 2\r\n"), std::string::npos);
  EXPECT_EQ(head.find("transfer-encoding"), std::string::npos);
  EXPECT_NE(head.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(FormatTest, StatusMustBeAnAnswers) {
  for (const unsigned status : {0u, 100u, 199u, 600u, 1000u}) {
    Response response;
    response.status = status;
    EXPECT_FALSE(FormatResponseHead(response, Framing::kLength, true).ok()) << status;
  }
  Response response;
  response.status = 204;
  EXPECT_EQ(FormatResponseHead(response, Framing::kLength, true)->find("Content-Length"),
            std::string::npos);
}

TEST(FormatTest, RequestsAreChecked) {
  Request request;
  request.method = "POST";
  request.target = "/runs/1";
  request.body = "{}";
  EXPECT_EQ(*FormatRequest(request, "10.0.0.1:8443"),
            "POST /runs/1 HTTP/1.1\r\nHost: 10.0.0.1:8443\r\nContent-Length: 2\r\n\r\n{}");
  for (const char* target : {"", "x", "/a b", "/a\r\nX: y", "/\x80", "http://x/"}) {
    request.target = target;
    EXPECT_FALSE(FormatRequest(request, "h").ok()) << target;
  }
  request.target = "/";
  for (const char* method : {"", "GET /x", "G\r\n"}) {
    request.method = method;
    EXPECT_FALSE(FormatRequest(request, "h").ok()) << method;
  }
}

TEST(FormatTest, ErrorsAreJson) {
  EXPECT_EQ(ErrorResponse(400, "Bad", "a \"b\"\n\\\x80").body,
            "{\"error\":{\"code\":\"Bad\",\"message\":\"a \\\"b\\\"\\u000a\\\\\\u0080\"}}\n");
}

TEST(FormatTest, Chunks) {
  EXPECT_EQ(FormatChunk("hello world, 17 b"), "11\r\nhello world, 17 b\r\n");
}

}  // namespace
}  // namespace sandgate::http
