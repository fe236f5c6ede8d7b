// Which policy holds in a namespace: selectors, ranks, ambiguity, and what a broken one leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/policy_store.h"

namespace sandgate::op {
namespace {

using api::Json;
using ::testing::HasSubstr;

constexpr char kStrict[] =
    "security: {hitl: {rules: [{tools: [code_execute], risk: CRITICAL, description: strict}]}}";
constexpr char kOpen[] = "security: {hitl: {enabled: false}}";
constexpr char kBroken[] = "security: {hitl: {enabld: false}}";

TEST(LabelSelectorTest, Matches) {
  const Labels labels = {
      {"tier", "gold"}, {"env", "test"}, {"example.com/team", "a"}, {"empty", ""}};
  const struct {
    const char* text;
    bool matches;
  } rows[] = {
      {"tier=gold", true},
      {"tier==gold", true},
      {"tier = gold", true},
      {"tier=silver", false},
      {"tier!=silver", true},
      {"tier!=gold", false},
      {"absent!=gold", true},
      {"tier=gold,env!=prod", true},
      {"tier=gold,env!=test", false},
      {"tier in (gold, silver)", true},
      {"tier in (silver)", false},
      {"tier in(gold)", true},
      {"absent in (gold)", false},
      {"tier notin (silver,bronze)", true},
      {"tier notin (gold)", false},
      {"absent notin (gold)", true},
      {"tier", true},
      {"absent", false},
      {"!absent", true},
      {"! tier", false},
      {"example.com/team=a", true},
      {"empty=", true},
      {"tier=", false},
      {"in=x", false},
      {" tier = gold , env in ( test ) ", true},
  };
  for (const auto& row : rows) {
    const auto selector = LabelSelector::Parse(row.text);
    ASSERT_TRUE(selector.ok()) << row.text << ": " << selector.status().message();
    EXPECT_EQ(selector->Matches(labels), row.matches) << row.text;
  }
}

TEST(LabelSelectorTest, EveryMistakeSaysWhere) {
  const struct {
    const char* text;
    const char* says;
  } rows[] = {
      {"", "at character 1: expected a label's key"},
      {",", "expected a label's key"},
      {"tier=gold,", "at character 11: expected a label's key"},
      {"tier=gold env=prod", "expected a comma or the end"},
      {"tier gold", "expected =, !=, in"},
      {"tier in gold", "expected ( and values"},
      {"tier in (gold", "expected a comma or )"},
      {"tier in (gold silver)", "expected a comma or )"},
      {"tier>3", "expected a comma or the end"},
      {"-tier=gold", "\"-tier\" is no label's key"},
      {"a/b/c=x", "is no label's key"},
      {"/b=x", "is no label's key"},
      {"tier=-gold", "\"-gold\" is no label's value"},
      {"tier=a/b", "is no label's value"},
      {"tier=\xC3\xA9", "expected a comma or the end"},
      {"!", "expected a label's key"},
      {"tier===gold", "expected a comma or the end"},
  };
  for (const auto& row : rows) {
    const auto selector = LabelSelector::Parse(row.text);
    ASSERT_FALSE(selector.ok()) << row.text;
    EXPECT_THAT(selector.status().message(), HasSubstr(row.says)) << row.text;
  }
  EXPECT_FALSE(LabelSelector::Parse(std::string(5000, 'a')).ok());
  EXPECT_FALSE(LabelSelector::Parse(std::string(64, 'a') + "=x").ok());
  std::string many = "a";
  for (int i = 0; i < 40; ++i) many += ",a" + std::to_string(i);
  EXPECT_THAT(LabelSelector::Parse(many).status().message(), HasSubstr("more than 32"));
}

Json ConfigMap(const std::string& name, const std::string& namespaces, const std::string& selector,
               const std::string& yaml) {
  Json annotations = Json::object();
  if (!namespaces.empty()) annotations[kPolicyNamespaces] = namespaces;
  if (!selector.empty()) annotations[kPolicySelector] = selector;
  return {{"metadata", {{"name", name}, {"annotations", annotations}}},
          {"data", {{kPolicyKey, yaml}}}};
}

class PolicyStoreTest : public ::testing::Test {
 protected:
  PolicyStoreTest() {
    Base("");
    store_.PutNamespace("team-a", {{"tier", "gold"}});
    store_.PutNamespace("team-b", {{"tier", "silver"}});
  }

  void Base(const std::string& yaml) {
    auto base = policy::Policy::Load(yaml, "base.yaml");
    ASSERT_TRUE(base.ok()) << base.status().message();
    base_ = *base;
    store_.SetBase(base_, yaml);
  }

  // "base", "strict", "open", or the code of the refusal.
  std::string In(const std::string& ns) {
    const PolicyView view = store_.For(ns);
    if (!view.known) return "unknown";
    if (view.refused) return view.refused->code;
    if (view.policy == base_) return "base";
    const auto assessment = view.policy->Assess({"code_execute", {{"code", "x"}}, false});
    if (!assessment.needs_approval) return "open";
    return assessment.risk == api::RiskLevel::kCritical ? "strict" : "another";
  }

  PolicyStore store_;
  std::shared_ptr<const policy::Policy> base_;
};

TEST_F(PolicyStoreTest, WithoutAnyTheDeploymentsHolds) {
  EXPECT_EQ(In("team-a"), "base");
  EXPECT_EQ(In("never-seen"), "base");
}

TEST_F(PolicyStoreTest, BoundByName) {
  const PolicyChange change = store_.Put(ConfigMap("p", "team-a, team-c", "", kStrict));
  EXPECT_TRUE(change.changed && change.told);
  EXPECT_EQ(change.problem, "");
  EXPECT_EQ(In("team-a"), "strict");
  EXPECT_EQ(In("team-c"), "strict");  // before anybody saw the Namespace
  EXPECT_EQ(In("team-b"), "base");
  store_.Remove("p");
  EXPECT_EQ(In("team-a"), "base");
}

TEST_F(PolicyStoreTest, BoundByLabel) {
  store_.Put(ConfigMap("p", "", "tier=gold", kStrict));
  EXPECT_EQ(In("team-a"), "strict");
  EXPECT_EQ(In("team-b"), "base");
  EXPECT_EQ(In("never-seen"), "unknown");  // its labels may be gold: nothing is judged before
  store_.PutNamespace("team-b", {{"tier", "gold"}});
  EXPECT_EQ(In("team-b"), "strict");
  store_.PutNamespace("team-a", {});
  EXPECT_EQ(In("team-a"), "base");
  store_.RemoveNamespace("team-b");
  EXPECT_EQ(In("team-b"), "unknown");
}

TEST_F(PolicyStoreTest, ByNameBeatsByLabel) {
  store_.Put(ConfigMap("a-label", "", "tier", kStrict));
  store_.Put(ConfigMap("b-label", "", "tier", kStrict));
  EXPECT_EQ(In("team-a"), "PolicyAmbiguous");
  store_.Put(ConfigMap("c-name", "team-a,never-seen", "", kOpen));
  EXPECT_EQ(In("team-a"), "open");
  EXPECT_EQ(In("never-seen"), "open");
  EXPECT_EQ(In("team-b"), "PolicyAmbiguous");
}

TEST_F(PolicyStoreTest, TwoOfOneRankNameBoth) {
  store_.Put(ConfigMap("one", "team-a", "", kStrict));
  store_.Put(ConfigMap("two", "team-a", "tier=silver", kOpen));
  const PolicyView view = store_.For("team-a");
  ASSERT_TRUE(view.refused);
  EXPECT_STREQ(view.refused->code, "PolicyAmbiguous");
  EXPECT_THAT(view.refused->message, HasSubstr("bound by name"));
  EXPECT_THAT(view.refused->message, HasSubstr("(one and two)"));
  EXPECT_EQ(view.policy, base_);  // for what runs already
  EXPECT_EQ(In("team-b"), "open");
  store_.Remove("one");
  EXPECT_EQ(In("team-a"), "open");
}

TEST_F(PolicyStoreTest, ABrokenOneKeepsItsLastGoodVersion) {
  store_.Put(ConfigMap("p", "team-a", "", kStrict));
  const PolicyChange change = store_.Put(ConfigMap("p", "team-b", "", kBroken));
  EXPECT_FALSE(change.changed);
  EXPECT_TRUE(change.told);
  EXPECT_THAT(change.problem, HasSubstr("p:1: security.hitl.enabld: unknown key"));
  EXPECT_EQ(In("team-a"), "strict");  // binding and content, both of that version
  EXPECT_EQ(In("team-b"), "base");
  EXPECT_FALSE(store_.Health().at("p"));
  EXPECT_FALSE(store_.Put(ConfigMap("p", "team-b", "", kBroken)).told);  // said once
  EXPECT_TRUE(store_.Put(ConfigMap("p", "team-b", "", kOpen)).told);
  EXPECT_EQ(In("team-b"), "open");
  EXPECT_TRUE(store_.Health().at("p"));
}

TEST_F(PolicyStoreTest, ABrokenOneAtTheStartClosesItsNamespaces) {
  EXPECT_TRUE(store_.Put(ConfigMap("p", "team-a", "", kBroken)).changed);
  EXPECT_EQ(In("team-a"), "PolicyInvalid");
  EXPECT_THAT(store_.For("team-a").refused->message, HasSubstr("p:1: security.hitl.enabld"));
  EXPECT_EQ(In("team-b"), "base");
  store_.Put(ConfigMap("p", "team-a", "", kStrict));
  EXPECT_EQ(In("team-a"), "strict");
}

// Nobody can tell whose it is: it might be the strict one of any.
TEST_F(PolicyStoreTest, AnUnreadableBindingAtTheStartClosesAllThatHaveNoneByName) {
  for (const Json& unreadable :
       {ConfigMap("p", "Team A", "", kStrict), ConfigMap("p", "", "tier=", kStrict),
        ConfigMap("p", "", "tier in gold", kStrict), ConfigMap("p", "", "", kStrict)}) {
    PolicyStore store;
    store.SetBase(base_, "");
    store.PutNamespace("team-a", {});
    const PolicyChange change = store.Put(unreadable);
    if (change.problem.empty()) continue;  // "tier=" is a selector
    EXPECT_THAT(change.problem, HasSubstr("sandgate.dev/namespace"));
    EXPECT_STREQ(store.For("team-a").refused->code, "PolicyInvalid");
    EXPECT_STREQ(store.For("never-seen").refused->code, "PolicyInvalid");
    store.Put(ConfigMap("named", "team-a", "", kOpen));
    EXPECT_FALSE(store.For("team-a").refused);
  }
}

TEST_F(PolicyStoreTest, WithoutItsKeyItIsBroken) {
  Json config_map = ConfigMap("p", "team-a", "", kStrict);
  config_map["data"] = {{"policy.yaml", kStrict}};
  EXPECT_THAT(store_.Put(config_map).problem, HasSubstr("sandgate.yaml"));
  config_map.erase("data");
  EXPECT_THAT(store_.Put(config_map).problem, HasSubstr("sandgate.yaml"));
  EXPECT_EQ(In("team-a"), "PolicyInvalid");
}

TEST_F(PolicyStoreTest, ANewBaseIsUnderAllOfThem) {
  store_.Put(ConfigMap("p", "team-a", "", "security: {hitl: {auto_approve_low_risk: false}}"));
  const std::string before = store_.For("team-a").policy->revision();
  Base(kOpen);
  EXPECT_EQ(In("team-a"), "open");
  EXPECT_NE(store_.For("team-a").policy->revision(), before);
  // One that does not fit on it keeps what it was.
  store_.Put(ConfigMap("p", "team-a", "", "security: {sandbox: {limits: {max_memory_mb: 2048}}}"));
  EXPECT_TRUE(store_.Health().at("p"));
  Base("security: {sandbox: {max_limits: {max_memory_mb: 1024}}}");
  EXPECT_FALSE(store_.Health().at("p"));
  EXPECT_EQ(In("team-a"), "open");
  Base(kOpen);
  EXPECT_TRUE(store_.Health().at("p"));
}

TEST_F(PolicyStoreTest, ABaseThatMendsABrokenOne) {
  store_.Put(ConfigMap("p", "team-a", "", "security: {sandbox: {limits: {max_memory_mb: 4096}}}"));
  EXPECT_EQ(In("team-a"), "PolicyInvalid");
  Base("security: {sandbox: {max_limits: {max_memory_mb: 8192}}, hitl: {enabled: false}}");
  EXPECT_EQ(In("team-a"), "open");
}

}  // namespace
}  // namespace sandgate::op
