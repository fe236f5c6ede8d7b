// The same questions to a real API server and to the one in memory, which the unit tests and the
// simulator believe: both must give the same answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/kube_integration_env.h"
#include "tests/support/fake_transport.h"

namespace sandgate::kube {
namespace {

using api::Json;
using base::Code;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class Verbs : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "real") {
      api_ = std::make_unique<Api>(RealTransport());
    } else {
      fake_ = std::make_shared<sandgate::testing::FakeTransport>();
      api_ = std::make_unique<Api>(fake_);
    }
    ns_ = NewNamespace(*api_);
  }

  static Json ConfigMap(const std::string& name) {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}, {"labels", {{"app", "t"}}}}},
            {"data", {{"k", "1"}}}};
  }
  static Json Execution(const std::string& name, const std::string& sandbox = "s") {
    return {{"apiVersion", "sandgate.dev/v1alpha1"},
            {"kind", "Execution"},
            {"metadata", {{"name", name}}},
            {"spec",
             {{"sandboxName", sandbox},
              {"operation", "Execute"},
              {"requester", {{"username", "somebody"}}},
              {"execute", {{"language", "shell"}, {"code", "true"}}}}}};
  }
  static DeleteOptions If(const std::string& uid, const std::string& version = "") {
    DeleteOptions options;
    options.uid = uid;
    options.resource_version = version;
    return options;
  }
  static std::string Uid(const Json& object) { return object["metadata"]["uid"]; }
  static std::string Version(const Json& object) { return object["metadata"]["resourceVersion"]; }
  Json MustCreate(const Resource& resource, const Json& object) {
    const auto made = api_->Create(resource, ns_, object);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    return made.ok() ? *made : Json::object();
  }
  std::vector<std::string> Names(const Resource& resource, const std::string& labels,
                                 const std::string& fields) {
    ListOptions options;
    options.label_selector = labels;
    options.field_selector = fields;
    const auto page = api_->ListAll(resource, ns_, options);
    EXPECT_TRUE(page.ok()) << page.status().ToString();
    std::vector<std::string> names;
    if (page.ok()) {
      for (const Json& item : page->items) names.push_back(item["metadata"]["name"]);
    }
    return names;
  }

  std::shared_ptr<sandgate::testing::FakeTransport> fake_;
  std::unique_ptr<Api> api_;
  std::string ns_;
};

INSTANTIATE_TEST_SUITE_P(Server, Verbs, ::testing::Values("real", "fake"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(Verbs, CreateReadDelete) {
  const Json made = MustCreate(kConfigMaps, ConfigMap("x"));
  EXPECT_EQ(api_->Create(kConfigMaps, ns_, ConfigMap("x")).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(*api_->Get(kConfigMaps, ns_, "x"), made);
  EXPECT_EQ(api_->Get(kConfigMaps, ns_, "y").status().code(), Code::kNotFound);
  EXPECT_TRUE(api_->Delete(kConfigMaps, ns_, "x", If(Uid(made))).ok());
  EXPECT_EQ(api_->Delete(kConfigMaps, ns_, "x", If(Uid(made))).code(), Code::kNotFound);
  const Json again = MustCreate(kConfigMaps, ConfigMap("x"));
  EXPECT_NE(Uid(again), Uid(made));
}

TEST_P(Verbs, PreconditionsOfADelete) {
  const Json made = MustCreate(kConfigMaps, ConfigMap("x"));
  EXPECT_EQ(api_->Delete(kConfigMaps, ns_, "x", If("another-uid")).code(), Code::kConflict);
  EXPECT_EQ(api_->Delete(kConfigMaps, ns_, "x", If(Uid(made), "1")).code(), Code::kConflict);
  EXPECT_TRUE(api_->Delete(kConfigMaps, ns_, "x", If(Uid(made), Version(made))).ok());
}

TEST_P(Verbs, MergePatchIsACompareAndSwap) {
  const Json made = MustCreate(kConfigMaps, ConfigMap("x"));
  const Json first = {{"metadata", {{"uid", Uid(made)}, {"resourceVersion", Version(made)}}},
                      {"data", {{"k", "2"}}}};
  const auto patched = api_->Patch(kConfigMaps, ns_, "x", PatchType::kMerge, first);
  ASSERT_TRUE(patched.ok()) << patched.status().ToString();
  EXPECT_NE(Version(*patched), Version(made));
  Json second = first;
  second["data"]["k"] = "3";
  EXPECT_EQ(api_->Patch(kConfigMaps, ns_, "x", PatchType::kMerge, second).status().code(),
            Code::kConflict);
  EXPECT_EQ((*api_->Get(kConfigMaps, ns_, "x"))["data"]["k"], "2");
}

// A UID alone is no precondition of a patch: the main resource finds it immutable, the status
// ignores it. Every compare-and-swap of ours carries the resourceVersion.
TEST_P(Verbs, AWrongUidInAPatch) {
  const Json wrong = {{"metadata", {{"uid", "another-uid"}, {"labels", {{"l", "1"}}}}}};
  for (const Resource& resource : {kConfigMaps, kExecutions}) {
    MustCreate(resource, resource.plural == "configmaps" ? ConfigMap("x") : Execution("x"));
    EXPECT_EQ(api_->Patch(resource, ns_, "x", PatchType::kMerge, wrong).status().code(),
              Code::kInvalidArgument)
        << resource.plural;
  }
  const Json made = *api_->Get(kExecutions, ns_, "x");
  EXPECT_TRUE(
      api_->PatchStatus(kExecutions, ns_, "x", "another-uid", Version(made), {{"phase", "Pending"}})
          .ok());
}

TEST_P(Verbs, APatchThatChangesNothingWritesNothing) {
  const Json made = MustCreate(kConfigMaps, ConfigMap("x"));
  const auto same = api_->Patch(kConfigMaps, ns_, "x", PatchType::kMerge, {{"data", {{"k", "1"}}}});
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(Version(*same), Version(made));
}

TEST_P(Verbs, JsonPatch) {
  MustCreate(kConfigMaps, ConfigMap("x"));
  const auto patched = api_->Patch(kConfigMaps, ns_, "x", PatchType::kJson,
                                   {{{"op", "add"}, {"path", "/data/l"}, {"value", "2"}}});
  ASSERT_TRUE(patched.ok()) << patched.status().ToString();
  EXPECT_EQ((*patched)["data"], Json({{"k", "1"}, {"l", "2"}}));
  EXPECT_EQ(api_->Patch(kConfigMaps, ns_, "x", PatchType::kJson,
                        {{{"op", "test"}, {"path", "/data/k"}, {"value", "9"}}})
                .status()
                .code(),
            Code::kInvalidArgument);
}

TEST_P(Verbs, TheStatusIsApart) {
  Json forged = Execution("x");
  forged["status"] = {{"phase", "Succeeded"}};
  const Json made = MustCreate(kExecutions, forged);
  EXPECT_FALSE(made.contains("status"));
  EXPECT_EQ(made["metadata"]["generation"], 1);
  const auto claimed =
      api_->PatchStatus(kExecutions, ns_, "x", Uid(made), Version(made), {{"phase", "Pending"}});
  ASSERT_TRUE(claimed.ok()) << claimed.status().ToString();
  EXPECT_EQ((*claimed)["status"]["phase"], "Pending");
  EXPECT_EQ((*claimed)["metadata"]["generation"], 1);
  EXPECT_EQ(
      api_->PatchStatus(kExecutions, ns_, "x", Uid(made), Version(made), {{"phase", "Running"}})
          .status()
          .code(),
      Code::kConflict);
  // The main resource leaves the status alone and counts a generation for a changed spec.
  const auto cancelled =
      api_->Patch(kExecutions, ns_, "x", PatchType::kMerge,
                  {{"spec", {{"cancel", true}}}, {"status", {{"phase", "Running"}}}});
  ASSERT_TRUE(cancelled.ok()) << cancelled.status().ToString();
  EXPECT_EQ((*cancelled)["status"]["phase"], "Pending");
  EXPECT_EQ((*cancelled)["metadata"]["generation"], 2);
  EXPECT_EQ(api_->PatchStatus(kExecutions, ns_, "gone", "u", "1", {}).status().code(),
            Code::kNotFound);
}

TEST_P(Verbs, DryRunsStoreNothing) {
  ASSERT_TRUE(api_->Create(kConfigMaps, ns_, ConfigMap("x"), /*dry_run=*/true).ok());
  EXPECT_EQ(api_->Get(kConfigMaps, ns_, "x").status().code(), Code::kNotFound);
  const Json made = MustCreate(kConfigMaps, ConfigMap("x"));
  EXPECT_EQ(api_->Create(kConfigMaps, ns_, ConfigMap("x"), true).status().code(),
            Code::kAlreadyExists);
  const auto patched =
      api_->Patch(kConfigMaps, ns_, "x", PatchType::kMerge, {{"data", {{"k", "2"}}}}, true);
  ASSERT_TRUE(patched.ok());
  EXPECT_EQ((*patched)["data"]["k"], "2");
  EXPECT_EQ(*api_->Get(kConfigMaps, ns_, "x"), made);
}

TEST_P(Verbs, FinalizersHoldAnObject) {
  Json held = ConfigMap("x");
  held["metadata"]["finalizers"] = {"sandgate.dev/test"};
  const Json made = MustCreate(kConfigMaps, held);
  ASSERT_TRUE(api_->Delete(kConfigMaps, ns_, "x", If(Uid(made))).ok());
  const auto dying = api_->Get(kConfigMaps, ns_, "x");
  ASSERT_TRUE(dying.ok());
  EXPECT_TRUE((*dying)["metadata"].contains("deletionTimestamp"));
  ASSERT_TRUE(api_->Patch(kConfigMaps, ns_, "x", PatchType::kMerge,
                          {{"metadata", {{"finalizers", nullptr}}}})
                  .ok());
  EXPECT_EQ(api_->Get(kConfigMaps, ns_, "x").status().code(), Code::kNotFound);
}

TEST_P(Verbs, Selectors) {
  for (const char* name : {"one", "two", "three"}) {
    Json object = Execution(name, name[0] == 't' ? "t" : "o");
    object["metadata"]["labels"] = {{"l", name}};
    const Json made = MustCreate(kExecutions, object);
    if (std::string(name) == "three") continue;
    ASSERT_TRUE(api_->PatchStatus(kExecutions, ns_, name, Uid(made), Version(made),
                                  {{"phase", name[0] == 'o' ? "Pending" : "Running"}})
                    .ok());
  }
  EXPECT_THAT(Names(kExecutions, "", "status.phase=Pending"), ElementsAre("one"));
  EXPECT_THAT(Names(kExecutions, "", "status.phase!=Pending"),
              UnorderedElementsAre("two", "three"));
  EXPECT_THAT(Names(kExecutions, "", "status.phase!=Running,status.phase!=Pending"),
              ElementsAre("three"));
  EXPECT_THAT(Names(kExecutions, "", "spec.sandboxName=t"), UnorderedElementsAre("two", "three"));
  EXPECT_THAT(Names(kExecutions, "", "metadata.name=two"), ElementsAre("two"));
  EXPECT_THAT(Names(kExecutions, "l=one", ""), ElementsAre("one"));
  EXPECT_THAT(Names(kExecutions, "l!=one", ""), UnorderedElementsAre("two", "three"));
  EXPECT_THAT(Names(kExecutions, "!l", ""), ElementsAre());
}

TEST_P(Verbs, AnObjectThatLeavesTheSelectorLeavesTheWatch) {
  const Json made = MustCreate(kExecutions, Execution("x"));
  ListOptions options;
  options.field_selector = "status.phase!=Succeeded";
  options.resource_version = api_->List(kExecutions, ns_, {})->resource_version;
  auto patched =
      api_->PatchStatus(kExecutions, ns_, "x", Uid(made), Version(made), {{"phase", "Running"}});
  ASSERT_TRUE(patched.ok());
  patched = api_->PatchStatus(kExecutions, ns_, "x", Uid(made), Version(*patched),
                              {{"phase", "Succeeded"}});
  ASSERT_TRUE(patched.ok());
  MustCreate(kExecutions, Execution("y"));
  std::vector<std::string> seen;
  const base::Status status =
      api_->Watch(kExecutions, ns_, options, std::chrono::seconds(60), std::chrono::seconds(60), {},
                  [&](std::string_view line) {
                    const Json event = *api::ParseJson(line);
                    const std::string type = event["type"];
                    if (type == "BOOKMARK") return true;
                    const Json& meta = event["object"]["metadata"];
                    seen.push_back(type + " " + meta["name"].get<std::string>());
                    return seen.size() < 3;
                  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(seen, ElementsAre("MODIFIED x", "DELETED x", "ADDED y"));
}

TEST_P(Verbs, DeleteCollection) {
  MustCreate(kConfigMaps, ConfigMap("x"));
  MustCreate(kConfigMaps, ConfigMap("y"));
  ListOptions options;
  options.label_selector = "app=t";
  ASSERT_TRUE(api_->DeleteCollection(kConfigMaps, ns_, options).ok());
  EXPECT_THAT(Names(kConfigMaps, "app=t", ""), ElementsAre());
}

}  // namespace
}  // namespace sandgate::kube
