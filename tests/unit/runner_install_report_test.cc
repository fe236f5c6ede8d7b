// What installers say they installed: their own files, and what others may have made of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/api/json.h"
#include "runner/install_report.h"

namespace sandgate::runner {
namespace {

using api::InstalledPackage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPipReport[] = R"({
  "version": "1", "pip_version": "23.2.1",
  "install": [
    {"download_info": {"url": "https://files.example/idna-3.13-py3-none-any.whl",
       "archive_info": {"hash": "sha256=aa11", "hashes": {"sha256": "aa11"}}},
     "is_direct": false, "requested": false,
     "metadata": {"metadata_version": "2.1", "name": "idna", "version": "3.13"}},
    {"download_info": {"url": "https://files.example/requests-2.31.0-py3-none-any.whl",
       "archive_info": {"hash": "sha256=58cd", "hashes": {"sha256": "58cd", "md5": "00"}}},
     "is_direct": false, "requested": true,
     "metadata": {"metadata_version": "2.1", "name": "requests", "version": "2.31.0"}}],
  "environment": {"python_version": "3.11"}})";

TEST(PipReport, NamesWhatWasAskedForFirst) {
  const auto packages = ReadPipReport(kPipReport);
  ASSERT_TRUE(packages.ok()) << packages.status().message();
  EXPECT_THAT(*packages, ElementsAre(InstalledPackage{"requests", "2.31.0", "sha256:58cd"},
                                     InstalledPackage{"idna", "3.13", "sha256:aa11"}));
}

TEST(PipReport, NothingToDoIsNoPackage) {
  const auto packages = ReadPipReport(R"({"version": "1", "install": []})");
  ASSERT_TRUE(packages.ok());
  EXPECT_THAT(*packages, IsEmpty());
}

std::string PipHashOf(const std::string& archive_info) {
  const auto packages =
      ReadPipReport(R"({"install": [{"download_info": {"archive_info": )" + archive_info +
                    R"(}, "metadata": {"name": "a", "version": "1"}}]})");
  if (!packages.ok()) return packages.status().message();
  return packages->at(0).hash;
}

TEST(PipReport, Hashes) {
  EXPECT_EQ(PipHashOf(R"({"hash": "sha256=ab"})"), "sha256:ab");
  EXPECT_EQ(PipHashOf(R"({"hashes": {"sha512": "cd", "md5": "00"}})"), "sha512:cd");
  for (const char* none :
       {"null", "3", "{}", R"({"hash": ""})", R"({"hash": "ab"})", R"({"hash": "=ab"})",
        R"({"hash": "sha256="})", R"({"hash": "sha256=a b"})", R"({"hash": "sha256=a=b"})",
        R"({"hash": ["sha256=ab"]})", R"({"hashes": {"sha256": "<b>"}})", R"({"hashes": []})"}) {
    EXPECT_EQ(PipHashOf(none), "") << none;
  }
  EXPECT_EQ(PipHashOf(R"({"hashes": {"sha256": ")" + std::string(1000, 'a') + "\"}}"), "");
}

TEST(PipReport, WhatIsNoReport) {
  const std::string long_name(215, 'a');
  const std::string one = R"({"install": [{"metadata": )";
  const struct {
    std::string text;
    const char* says;
  } kRows[] = {
      {"", "no JSON"},
      {"{", "no JSON"},
      {"\xff", "no JSON"},
      {R"({"install": [], "install": []})", "no JSON"},
      {std::string(100'000, '['), "no JSON"},
      {"[]", "no list"},
      {"null", "no list"},
      {"{}", "no list"},
      {R"({"install": {}})", "no list"},
      {R"({"install": [3]})", "cannot be"},
      {R"({"install": [{}]})", "cannot be"},
      {one + "[]}]}", "cannot be"},
      {one + R"({"name": "a"}}]})", "cannot be"},
      {one + R"({"version": "1"}}]})", "cannot be"},
      {one + R"({"name": "", "version": "1"}}]})", "cannot be"},
      {one + R"({"name": ["a"], "version": "1"}}]})", "cannot be"},
      {one + R"({"name": "a b", "version": "1"}}]})", "cannot be"},
      {one + R"({"name": "a\n", "version": "1"}}]})", "cannot be"},
      {one + R"({"name": "a", "version": "1\u0000"}}]})", "cannot be"},
      {one + R"({"name": "\u202ea", "version": "1"}}]})", "cannot be"},
      {one + R"({"name": ")" + long_name + R"(", "version": "1"}}]})", "cannot be"},
      {one + R"({"name": "a", "version": ")" + long_name + R"("}}]})", "cannot be"},
  };
  for (const auto& row : kRows) {
    const auto packages = ReadPipReport(row.text);
    ASSERT_FALSE(packages.ok()) << row.text.substr(0, 100);
    EXPECT_THAT(packages.status().message(), HasSubstr(row.says)) << row.text.substr(0, 100);
  }
}

constexpr char kNpmLock[] = R"({
  "name": "node", "lockfileVersion": 3, "requires": true,
  "packages": {
    "": {"dependencies": {"axios": "^1.6.0"}},
    "node_modules/@types/node": {"version": "20.0.0", "integrity": "sha1-bb sha512-AA+/aa=="},
    "node_modules/axios": {"version": "1.6.0", "resolved": "https://npm.example/axios.tgz",
      "integrity": "sha512-EZ1D=="},
    "node_modules/axios/node_modules/ms": {"version": "2.0.0", "integrity": "sha512-MS2=="},
    "node_modules/linked": {"resolved": "../linked", "link": true},
    "node_modules/ms": {"version": "2.1.3", "integrity": "sha512-MS3=="},
    "node_modules/other/node_modules/ms": {"version": "2.0.0", "integrity": "sha512-MS2=="},
    "node_modules/short": {"name": "@team/long", "version": "1.0.0"}}})";

TEST(NpmLock, EachPackageOnce) {
  const auto packages = ReadNpmLock(kNpmLock);
  ASSERT_TRUE(packages.ok()) << packages.status().message();
  EXPECT_THAT(*packages, ElementsAre(InstalledPackage{"@types/node", "20.0.0", "sha512-AA+/aa=="},
                                     InstalledPackage{"axios", "1.6.0", "sha512-EZ1D=="},
                                     InstalledPackage{"ms", "2.0.0", "sha512-MS2=="},
                                     InstalledPackage{"ms", "2.1.3", "sha512-MS3=="},
                                     InstalledPackage{"@team/long", "1.0.0", ""}));
}

std::string NpmHashOf(const std::string& integrity) {
  const auto packages = ReadNpmLock(R"({"packages": {"node_modules/a": {"version": "1",
      "integrity": )" + api::Json(integrity).dump() +
                                    "}}}");
  if (!packages.ok()) return packages.status().message();
  return packages->at(0).hash;
}

TEST(NpmLock, Hashes) {
  EXPECT_EQ(NpmHashOf("sha512-ab=="), "sha512-ab==");
  EXPECT_EQ(NpmHashOf("sha1-aa sha512-bb"), "sha512-bb");
  EXPECT_EQ(NpmHashOf("sha512-bb?foo sha1-aa"), "sha512-bb");
  EXPECT_EQ(NpmHashOf("sha1-aa"), "sha1-aa");
  for (const char* none : {"", "md5-aa", "sha512-", "xsha512-aa", "sha512-<b>", "sha512"}) {
    EXPECT_EQ(NpmHashOf(none), "") << none;
  }
  EXPECT_EQ(NpmHashOf("sha512-" + std::string(300, 'a')), "");
}

TEST(NpmLock, WhatIsNoRecord) {
  const struct {
    std::string text;
    const char* says;
  } kRows[] = {
      {"", "no JSON"},
      {"[", "no JSON"},
      {std::string(100'000, '{'), "no JSON"},
      {"{}", "no list"},
      {R"({"packages": []})", "no list"},
      {R"({"packages": {"node_modules/a": {}}})", "cannot be"},
      {R"({"packages": {"node_modules/a": 3}})", "cannot be"},
      {R"({"packages": {"node_modules/": {"version": "1"}}})", "cannot be"},
      {R"({"packages": {"elsewhere/a": {"version": "1"}}})", "cannot be"},
      {R"({"packages": {"node_modules/a b": {"version": "1"}}})", "cannot be"},
      {R"({"packages": {"node_modules/a": {"version": "1\u001b[2J"}}})", "cannot be"},
      {R"({"packages": {"node_modules/a": {"version": 1}}})", "cannot be"},
      {R"({"packages": {"node_modules/a": {"version": "1", "name": "\u0430"}}})", "cannot be"},
      {R"({"packages": {"node_modules/)" + std::string(215, 'a') + R"(": {"version": "1"}}})",
       "cannot be"},
  };
  for (const auto& row : kRows) {
    const auto packages = ReadNpmLock(row.text);
    ASSERT_FALSE(packages.ok()) << row.text.substr(0, 100);
    EXPECT_THAT(packages.status().message(), HasSubstr(row.says)) << row.text.substr(0, 100);
  }
}

TEST(InstallReport, AddedIsWhatIsNew) {
  const InstalledPackage a{"a", "1", "x"}, b{"b", "1", "x"}, newer{"a", "2", "x"},
      other{"a", "1", "y"};
  EXPECT_THAT(Added({}, {b, a}), ElementsAre(b, a));
  EXPECT_THAT(Added({a, b}, {a, b}), IsEmpty());
  EXPECT_THAT(Added({a, b}, {newer, b, other}), ElementsAre(newer, other));
  EXPECT_THAT(Added({a, b}, {}), IsEmpty());
}

}  // namespace
}  // namespace sandgate::runner
