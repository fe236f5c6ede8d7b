// The verbs over the fake API server; paths and errors as tables.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/kube/api.h"
#include "libs/kube/api_error.h"
#include "libs/kube/api_path.h"
#include "tests/support/fake_transport.h"

namespace sandgate::kube {
namespace {

using api::Json;
using base::Code;
using testing::FakeTransport;
using testing::Fault;

struct ApiTest : ::testing::Test {
  std::shared_ptr<FakeTransport> server = std::make_shared<FakeTransport>();
  Api client{server};

  static Json ConfigMap(const std::string& name, const std::string& value = "1") {
    return {{"metadata", {{"name", name}, {"labels", {{"app", "t"}}}}}, {"data", {{"k", value}}}};
  }
};

TEST(ApiPath, RefusesWhatWouldNameAnotherResource) {
  const struct {
    const char* ns;
    const char* name;
    const char* why;
  } bad[] = {
      {"a", "..", "the API server cleans the path"},
      {"a", ".", "the same"},
      {"..", "x", "in the namespace too"},
      {"a", "x/status", "another subresource"},
      {"a", "x%2fstatus", "decoded before it is routed"},
      {"a/pods", "x", "another namespace's path"},
      {"a", "x?dryRun=All", "a query"},
      {"a", "x#y", "a fragment"},
      {"a", "x y", "the end of the request line"},
      {"a", "x\r\nHost: y", "another header"},
      {"a", "\xc3\xa4", "not a DNS name"},
  };
  for (const auto& [ns, name, why] : bad) {
    EXPECT_EQ(ResourcePath(kPods, ns, name).status().code(), Code::kInvalidArgument) << why;
  }
  EXPECT_FALSE(ResourcePath(kPods, "a", std::string(254, 'x')).ok());
}

TEST(ApiPath, Shapes) {
  EXPECT_EQ(*ResourcePath(kPods, "a", "b"), "/api/v1/namespaces/a/pods/b");
  EXPECT_EQ(*ResourcePath(kNamespaces, "", "b"), "/api/v1/namespaces/b");
  EXPECT_EQ(*ResourcePath(kExecutions, "", ""), "/apis/sandgate.dev/v1alpha1/executions");
  EXPECT_EQ(*ResourcePath(kExecutions, "a", "b", "status"),
            "/apis/sandgate.dev/v1alpha1/namespaces/a/executions/b/status");
  EXPECT_EQ(QueryString({{"a", "x=y,z!=1"}, {"b", ""}, {"c", "&#"}}),
            "?a=x%3Dy%2Cz%21%3D1&c=%26%23");
}

TEST(ApiError, Table) {
  const struct {
    unsigned http;
    const char* reason;
    const char* message;
    Code code;
  } cases[] = {
      {400, "BadRequest", "m", Code::kInvalidArgument},
      {401, "Unauthorized", "m", Code::kUnauthenticated},
      {403, "Forbidden", "m", Code::kPermissionDenied},
      {404, "NotFound", "m", Code::kNotFound},
      {409, "AlreadyExists", "m", Code::kAlreadyExists},
      {409, "Conflict", "m", Code::kConflict},
      {410, "Expired", "m", Code::kGone},
      {412, "", "m", Code::kConflict},
      {413, "RequestEntityTooLarge", "m", Code::kResourceExhausted},
      {415, "UnsupportedMediaType", "m", Code::kInvalidArgument},
      {422, "Invalid", "m", Code::kInvalidArgument},
      {429, "TooManyRequests", "m", Code::kResourceExhausted},
      {500, "InternalError", "m", Code::kInternal},
      {500, "", "etcdserver: request is too large", Code::kResourceExhausted},
      {503, "ServiceUnavailable", "m", Code::kUnavailable},
      {504, "Timeout", "m", Code::kDeadlineExceeded},
      {302, "", "m", Code::kInternal},
  };
  for (const auto& one : cases) {
    const Json body = {{"reason", one.reason}, {"message", one.message}};
    const base::Status status = StatusOf({one.http, body.dump(), std::chrono::seconds(0)});
    EXPECT_EQ(status.code(), one.code) << one.http << " " << one.reason;
    EXPECT_EQ(status.message(), one.message);
  }
  EXPECT_TRUE(StatusOf({201, "{}", std::chrono::seconds(0)}).ok());
  EXPECT_EQ(StatusOf({500, std::string(20000, 'x'), std::chrono::seconds(0)}).message().size(),
            kMaxErrorMessageBytes);
  EXPECT_EQ(StatusOf({502, "", std::chrono::seconds(0)}).message(), "HTTP 502");
}

TEST_F(ApiTest, CreateReadPatchDelete) {
  const auto made = client.Create(kConfigMaps, "a", ConfigMap("x"));
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(client.Create(kConfigMaps, "a", ConfigMap("x")).status().code(), Code::kAlreadyExists);
  const auto patched = client.Patch(kConfigMaps, "a", "x", PatchType::kMerge,
                                    {{"data", {{"k", nullptr}, {"l", "2"}}}});
  ASSERT_TRUE(patched.ok());
  EXPECT_EQ((*patched)["data"], Json({{"l", "2"}}));
  EXPECT_EQ(*client.Get(kConfigMaps, "a", "x"), *patched);
  DeleteOptions other;
  other.uid = "another";
  EXPECT_EQ(client.Delete(kConfigMaps, "a", "x", other).code(), Code::kConflict);
  DeleteOptions same;
  same.uid = (*made)["metadata"]["uid"];
  EXPECT_TRUE(client.Delete(kConfigMaps, "a", "x", same).ok());
  EXPECT_EQ(client.Get(kConfigMaps, "a", "x").status().code(), Code::kNotFound);
}

TEST_F(ApiTest, EmptyNamesNeverReachACollection) {
  server->Put(kConfigMaps, {{"metadata", {{"name", "x"}, {"namespace", "a"}}}});
  EXPECT_EQ(client.Delete(kConfigMaps, "a", "", {}).code(), Code::kInvalidArgument);
  EXPECT_EQ(client.Get(kConfigMaps, "a", "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(client.Patch(kConfigMaps, "a", "", PatchType::kMerge, {}).status().code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(server->calls().empty());
}

TEST_F(ApiTest, StatusPatchIsACompareAndSwap) {
  const Json made = *client.Create(kExecutions, "a",
                                   {{"metadata", {{"name", "x"}}},
                                    {"spec", {{"operation", "Execute"}}},
                                    {"status", {{"phase", "Forged"}}}});
  EXPECT_FALSE(made.contains("status"));
  const std::string uid = made["metadata"]["uid"];
  const std::string version = made["metadata"]["resourceVersion"];
  const auto first = client.PatchStatus(kExecutions, "a", "x", uid, version, {{"phase", "One"}});
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(
      client.PatchStatus(kExecutions, "a", "x", uid, version, {{"phase", "Two"}}).status().code(),
      Code::kConflict);
  EXPECT_EQ(client.PatchStatus(kExecutions, "a", "x", uid, "", {}).status().code(),
            Code::kInvalidArgument);
  // The main resource leaves the status alone, and the other way round.
  const auto main = client.Patch(kExecutions, "a", "x", PatchType::kMerge,
                                 {{"status", {{"phase", "Forged"}}}, {"spec", {{"cancel", true}}}});
  EXPECT_EQ((*main)["status"]["phase"], "One");
  EXPECT_EQ((*main)["spec"]["cancel"], true);
}

TEST_F(ApiTest, PagesBelongTogether) {
  for (int i = 0; i < 25; ++i) {
    server->Put(kConfigMaps,
                {{"metadata", {{"name", "c" + std::to_string(100 + i)}, {"namespace", "a"}}}});
  }
  ListOptions options;
  options.limit = 10;
  EXPECT_EQ(client.ListAll(kConfigMaps, "a", options)->items.size(), 25U);
  EXPECT_EQ(server->calls().size(), 3U);
  EXPECT_EQ(client.List(kConfigMaps, "a", options)->items[0]["kind"], "ConfigMap");
  // A compaction between two pages: all of it anew, nothing twice.
  server->ClearCalls();
  int calls = 0;
  server->before_call = [&](const testing::Call&) {
    if (++calls == 2) server->Compact();
  };
  EXPECT_EQ(client.ListAll(kConfigMaps, "a", options)->items.size(), 25U);
  EXPECT_EQ(server->calls().size(), 5U);
  // And not for ever.
  server->before_call = [&](const testing::Call&) { server->Compact(); };
  EXPECT_EQ(client.ListAll(kConfigMaps, "a", options).status().code(), Code::kGone);
}

TEST_F(ApiTest, Selectors) {
  for (const char* phase : {"Pending", "Running", "Succeeded"}) {
    server->Put(kExecutions, {{"metadata",
                               {{"name", std::string("e-") + char(*phase + 32)},
                                {"namespace", "a"},
                                {"labels", {{"l", phase}}}}},
                              {"spec", {{"sandboxName", "s"}}},
                              {"status", {{"phase", phase}}}});
  }
  const auto count = [&](const std::string& labels, const std::string& fields) {
    ListOptions options;
    options.label_selector = labels;
    options.field_selector = fields;
    return client.ListAll(kExecutions, "", options)->items.size();
  };
  EXPECT_EQ(count("", "status.phase!=Succeeded,spec.sandboxName=s"), 2U);
  EXPECT_EQ(count("", "metadata.name=e-r"), 1U);
  EXPECT_EQ(count("l=Running", ""), 1U);
  EXPECT_EQ(count("l!=Running", ""), 2U);
  EXPECT_EQ(count("!l", ""), 0U);
}

TEST_F(ApiTest, ThrottledOnceIsRepeatedTwiceIsNot) {
  int calls = 0;
  server->fault = [&](const testing::Call&) {
    return ++calls == 1 ? Fault::kThrottled : Fault::kNone;
  };
  EXPECT_TRUE(client.Create(kConfigMaps, "a", ConfigMap("x")).ok());
  server->fault = [](const testing::Call&) { return Fault::kThrottled; };
  EXPECT_EQ(client.Get(kConfigMaps, "a", "x").status().code(), Code::kResourceExhausted);
}

TEST_F(ApiTest, FaultsBeforeAndAfterTheEffect) {
  server->fault = [](const testing::Call&) { return Fault::kUnreachable; };
  EXPECT_EQ(client.Create(kConfigMaps, "a", ConfigMap("x")).status().code(), Code::kUnavailable);
  EXPECT_FALSE(server->Find(kConfigMaps, "a", "x"));
  server->fault = [](const testing::Call&) { return Fault::kLostAnswer; };
  EXPECT_EQ(client.Create(kConfigMaps, "a", ConfigMap("x")).status().code(),
            Code::kDeadlineExceeded);
  EXPECT_TRUE(server->Find(kConfigMaps, "a", "x"));
}

TEST_F(ApiTest, DryRunsStoreNothingAndMeetAdmission) {
  server->SetAdmission([](const testing::AdmissionRequest& request,
                          Json* object) -> std::optional<testing::Refusal> {
    (*object)["data"]["by"] = request.token;
    if (request.key.name == "bad") return testing::Refusal{422, "Invalid", "policy p says no"};
    return std::nullopt;
  });
  const Api bob = client.WithToken("bob");
  const auto refused = bob.Create(kConfigMaps, "a", ConfigMap("bad"), /*dry_run=*/true);
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.status().message(), "policy p says no");
  EXPECT_EQ((*bob.Create(kConfigMaps, "a", ConfigMap("good"), true))["data"]["by"], "bob");
  EXPECT_FALSE(server->Find(kConfigMaps, "a", "good"));
  EXPECT_EQ(server->CountWrites(), 0);
  ASSERT_TRUE(bob.Create(kConfigMaps, "a", ConfigMap("good")).ok());
  EXPECT_EQ(server->CountWrites("configmaps"), 1);
}

TEST_F(ApiTest, FinalizersHoldAnObject) {
  server->Put(kConfigMaps,
              {{"metadata", {{"name", "x"}, {"namespace", "a"}, {"finalizers", {"f"}}}}});
  ASSERT_TRUE(client.Delete(kConfigMaps, "a", "x", {}).ok());
  EXPECT_TRUE((*client.Get(kConfigMaps, "a", "x"))["metadata"].contains("deletionTimestamp"));
  ASSERT_TRUE(client
                  .Patch(kConfigMaps, "a", "x", PatchType::kMerge,
                         {{"metadata", {{"finalizers", nullptr}}}})
                  .ok());
  EXPECT_EQ(client.Get(kConfigMaps, "a", "x").status().code(), Code::kNotFound);
}

TEST_F(ApiTest, GarbageGoesWithItsLastOwner) {
  const Json owner = server->Put(kConfigMaps, {{"metadata", {{"name", "o"}, {"namespace", "a"}}}});
  const Json child =
      server->Put(kConfigMaps, {{"metadata",
                                 {{"name", "c"},
                                  {"namespace", "a"},
                                  {"ownerReferences", {{{"uid", owner["metadata"]["uid"]}}}}}}});
  server->Put(kConfigMaps, {{"metadata",
                             {{"name", "d"},
                              {"namespace", "a"},
                              {"ownerReferences", {{{"uid", child["metadata"]["uid"]}}}}}}});
  EXPECT_EQ(server->CollectGarbage(), 0);
  EXPECT_TRUE(server->Remove(kConfigMaps, "a", "o"));
  EXPECT_EQ(server->CollectGarbage(), 2);
}

}  // namespace
}  // namespace sandgate::kube
