// The keys of grants: each step of their life, and that their rotation breaks nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "libs/api/runner_protocol.h"
#include "libs/base/log.h"
#include "operator/egress_keys.h"
#include "tests/support/fake_transport.h"

namespace sandgate::op {
namespace {

using api::Json;
using base::Code;
using egress::kMaxGrantLifetime;
using sandgate::testing::Call;
using sandgate::testing::FakeTransport;
using sandgate::testing::Fault;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

const base::Time kNow = *base::ParseTime("2030-01-01T00:00:00Z");
const Settings kSettings;

// "publish a +600" is short for what a plan says.
std::string Text(const GrantKeyPlan& plan) {
  if (std::holds_alternative<MakeKey>(plan)) return "make";
  if (std::holds_alternative<TooManyKeys>(plan)) return "too many";
  if (const auto* retire = std::get_if<RetireKey>(&plan)) return "retire " + retire->id;
  if (const auto* withdraw = std::get_if<WithdrawKey>(&plan)) return "withdraw " + withdraw->id;
  if (const auto* publish = std::get_if<PublishKey>(&plan)) {
    const auto later = std::chrono::duration_cast<seconds>(publish->signs_from - kNow);
    return "publish " + publish->id + " +" + std::to_string(later.count());
  }
  return "keep";
}

GrantKeyState State(std::set<std::string> signing,
                    std::map<std::string, std::optional<base::Time>> published) {
  return {std::move(signing), std::move(published)};
}

std::optional<base::Time> Ago(base::Duration past) {
  return std::chrono::time_point_cast<base::Time::duration>(kNow - past);
}

TEST(GrantKeyPlanTest, OneStepAfterTheOther) {
  const base::Duration old = kKeyLifetime, settled = kKeySettling;
  const base::Duration expired = kMaxGrantLifetime + kKeySettling;
  const struct {
    const char* what;
    GrantKeyState state;
    const char* plan;
    const char* signs;
  } rows[] = {
      {"nothing at all", State({}, {}), "make", ""},
      {"made, and died before it was published", State({"a"}, {}), "publish a +0", ""},
      {"the first signs at once", State({"a"}, {{"a", kNow}}), "keep", "a"},
      {"nearly old", State({"a"}, {{"a", *Ago(old) + seconds(1)}}), "keep", "a"},
      {"old", State({"a"}, {{"a", Ago(old)}}), "make", "a"},
      {"its successor is made", State({"a", "b"}, {{"a", Ago(old)}}), "publish b +600", "a"},
      {"it waits for the mounts", State({"a", "b"}, {{"a", Ago(old)}, {"b", Ago(-seconds(1))}}),
       "keep", "a"},
      {"it signs", State({"a", "b"}, {{"a", Ago(old)}, {"b", kNow}}), "keep", "b"},
      {"others may still sign with the old one",
       State({"a", "b"}, {{"a", Ago(old)}, {"b", *Ago(settled) + seconds(1)}}), "keep", "b"},
      {"nobody does any more", State({"a", "b"}, {{"a", Ago(old)}, {"b", Ago(settled)}}),
       "retire a", "b"},
      {"its grants may live", State({"b"}, {{"a", Ago(old)}, {"b", *Ago(expired) + seconds(1)}}),
       "keep", "b"},
      {"the last has expired", State({"b"}, {{"a", Ago(old)}, {"b", Ago(expired)}}), "withdraw a",
       "b"},
      {"withdrawn, and nothing is left to do", State({"b"}, {{"b", Ago(expired)}}), "keep", "b"},
      // What people do.
      {"the Secret was deleted", State({}, {{"a", Ago(old)}}), "make", ""},
      {"and there is a new key", State({"b"}, {{"a", Ago(old)}}), "publish b +600", ""},
      {"the ConfigMap was deleted", State({"a"}, {}), "publish a +0", ""},
      {"in the middle of a rotation", State({"a", "b"}, {}), "publish a +0", ""},
      {"and so it goes on", State({"a", "b"}, {{"a", kNow}}), "publish b +600", "a"},
      {"an older Secret was put back", State({"a"}, {{"a", Ago(settled)}, {"b", kNow}}), "keep",
       "a"},
      {"nobody knows from when it signs", State({"a"}, {{"a", std::nullopt}}), "publish a +600",
       ""},
      {"from a clock that was ahead", State({"a"}, {{"a", Ago(-hours(48))}}), "publish a +600", ""},
      {"a public key of nobody's", State({"b"}, {{"b", Ago(expired)}, {"x", std::nullopt}}),
       "withdraw x", "b"},
      {"no room for one more",
       State({"new"}, {{"1", kNow},
                       {"2", kNow},
                       {"3", kNow},
                       {"4", kNow},
                       {"5", kNow},
                       {"6", kNow},
                       {"7", kNow},
                       {"8", kNow}}),
       "too many", ""},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(Text(PlanGrantKeys(row.state, kNow)), row.plan) << row.what;
    EXPECT_EQ(SigningKey(row.state, kNow).value_or(""), row.signs) << row.what;
  }
}

TEST(GrantKeyPlanTest, WhenTheNextOneSigns) {
  EXPECT_EQ(NextSigning(State({"a"}, {{"a", kNow}}), kNow), std::nullopt);
  EXPECT_EQ(NextSigning(State({"a"}, {{"a", kNow + hours(1)}}), kNow), kNow + hours(1));
  EXPECT_EQ(NextSigning(State({}, {{"a", kNow + hours(1)}}), kNow), std::nullopt);
}

Json Stored(const FakeTransport& server, const kube::Resource& resource, const char* name) {
  return server.Find(resource, kSettings.ns, name).value_or(Json());
}

std::vector<std::string> PublicPems(const FakeTransport& server) {
  std::vector<std::string> pems;
  const Json object = Stored(server, kube::kConfigMaps, kEgressKeysConfigMap);
  for (const auto& [entry, pem] : api::Member(object, "data").items()) pems.push_back(pem);
  return pems;
}

egress::Grant GrantFor(base::Time from, base::Duration lifetime) {
  egress::Grant grant;
  grant.sandbox_uid = grant.run_id = grant.name_space = grant.execution = "x";
  grant.domains = {"example.com"};
  grant.not_before = from;
  grant.expires = std::chrono::time_point_cast<base::Time::duration>(from + lifetime);
  grant.max_bytes = 1;
  return grant;
}

class EgressKeysTest : public ::testing::Test {
 protected:
  EgressKeysTest() {
    base::SetLogSink([](const std::string&) {});
  }
  ~EgressKeysTest() override { base::SetLogSink({}); }

  base::Result<GrantKeys> Ensure(base::Time now) {
    return EnsureGrantKeys(kube::Api(server_), kSettings, now);
  }

  std::shared_ptr<FakeTransport> server_ = std::make_shared<FakeTransport>();
};

TEST_F(EgressKeysTest, AreMadeAndPublishedOnce) {
  const auto keys = Ensure(kNow);
  ASSERT_TRUE(keys.ok()) << keys.status().ToString();
  EXPECT_EQ(server_->CountWrites(), 2);
  const std::string id = SigningKey(keys->state, kNow).value_or("");
  ASSERT_EQ(id.size(), 16u);
  const Json secret = Stored(*server_, kube::kSecrets, kEgressSigningSecret);
  EXPECT_EQ(secret["type"], "Opaque");
  EXPECT_EQ(*api::Base64Decode(secret["data"][id + ".pem"].get<std::string>()),
            keys->private_pems.at(id));
  const Json config_map = Stored(*server_, kube::kConfigMaps, kEgressKeysConfigMap);
  EXPECT_EQ(config_map["data"].size(), 1u);
  EXPECT_EQ(config_map["metadata"]["annotations"][kSignsFromAnnotation + id],
            "2030-01-01T00:00:00Z");
  EXPECT_EQ(config_map.dump().find("PRIVATE"), std::string::npos);

  server_->ClearCalls();
  const auto again = Ensure(kNow + hours(24));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->state, keys->state);
  EXPECT_EQ(server_->CountWrites(), 0) << "a quiet cluster is not written to";
}

TEST_F(EgressKeysTest, OfTwoOperatorsOneMakesThem) {
  for (const char* method : {"POST", "PATCH"}) {  // the first key; its successor
    const base::Time now = method == std::string("POST") ? kNow : kNow + kKeyLifetime;
    const size_t keys = method == std::string("POST") ? 1 : 2;
    int races = 0;
    server_->before_call = [&](const Call& call) {
      if (call.method != method || races > 0) return;
      ++races;
      EXPECT_TRUE(Ensure(now).ok());
    };
    const auto mine = Ensure(now);
    server_->before_call = nullptr;
    ASSERT_TRUE(mine.ok()) << mine.status().ToString();
    EXPECT_EQ(races, 1) << method;
    EXPECT_EQ(mine->state.signing.size(), keys) << method;
    EXPECT_EQ(PublicPems(*server_).size(), keys) << method;
    EXPECT_EQ(Ensure(now)->state, mine->state);
  }
}

TEST_F(EgressKeysTest, WhatIsNotTheirsIsNeverOverwritten) {
  ASSERT_TRUE(Ensure(kNow).ok());
  const Json secret = Stored(*server_, kube::kSecrets, kEgressSigningSecret);
  const Json config_map = Stored(*server_, kube::kConfigMaps, kEgressKeysConfigMap);
  const egress::GrantKey other = *egress::CreateGrantKey();
  const std::string other_id = *egress::GrantKeyId(other.public_pem);
  const auto encoded = [](const std::string& text) { return api::Base64Encode(text); };
  const Json stranger = {{"labels", {{kManagedByLabel, "Helm"}}}};
  const struct {
    const kube::Resource& resource;
    Json change;
    const char* says;
  } rows[] = {
      {kube::kSecrets, {{"metadata", stranger}}, "not made by this operator"},
      {kube::kConfigMaps, {{"metadata", stranger}}, "not made by this operator"},
      {kube::kSecrets, {{"data", {{"key", encoded(other.private_pem)}}}}, "another key"},
      {kube::kSecrets, {{"data", {{"a.pem", encoded(other.private_pem)}}}}, "another key"},
      {kube::kSecrets, {{"data", {{other_id + ".pem", encoded("no key")}}}}, "no Ed25519 private"},
      {kube::kSecrets, {{"data", {{other_id + ".pem", "?"}}}}, "no Ed25519 private"},
      {kube::kSecrets,
       {{"data", {{other_id + ".pem", encoded(other.public_pem)}}}},
       "no Ed25519 private"},
      {kube::kConfigMaps, {{"data", {{other_id + ".pem", "no key"}}}}, "no Ed25519 public"},
      {kube::kConfigMaps,
       {{"data", {{other_id + ".pem", other.private_pem}}}},
       "no Ed25519 public"},
      {kube::kConfigMaps, {{"data", {{"readme", other.public_pem}}}}, "another key"},
  };
  for (const auto& row : rows) {
    server_ = std::make_shared<FakeTransport>();
    server_->Put(kube::kSecrets, secret);
    server_->Put(kube::kConfigMaps, config_map);
    Json change = row.change;
    const bool is_secret = row.resource.plural == "secrets";
    change["metadata"]["namespace"] = kSettings.ns;
    change["metadata"]["name"] = is_secret ? kEgressSigningSecret : kEgressKeysConfigMap;
    server_->Put(row.resource, change);
    const auto keys = Ensure(kNow + kKeyLifetime);
    ASSERT_FALSE(keys.ok()) << row.says;
    EXPECT_EQ(keys.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(keys.status().message(), HasSubstr(row.says));
    EXPECT_THAT(keys.status().message(), HasSubstr(change["metadata"]["name"]));
    EXPECT_THAT(keys.status().message(), HasSubstr("Delete it"));
    EXPECT_EQ(keys.status().message().find("BEGIN"), std::string::npos);
    EXPECT_EQ(server_->CountWrites(), 0);
  }
}

TEST_F(EgressKeysTest, AnApiServerThatSaysNoIsSaidSo) {
  server_->fault = [](const Call& call) {
    return call.IsWrite() ? Fault::kUnreachable : Fault::kNone;
  };
  EXPECT_EQ(Ensure(kNow).status().code(), Code::kUnavailable);
  EXPECT_THAT(Ensure(kNow).status().message(), HasSubstr("grant keys"));
}

// A hundred days with two operators that die in the middle of their writes and race each other, and
// proxies that mount what was published up to ten minutes ago. Whatever is signed must hold at
// every proxy until it expires.
class RotationWorld {
 public:
  explicit RotationWorld(uint64_t seed) : random_(seed) {
    server_->fault = [this](const Call& call) {
      if (!call.IsWrite() || random_() % 4 != 0) return Fault::kNone;
      return random_() % 2 == 0 ? Fault::kUnreachable : Fault::kLostAnswer;
    };
    server_->before_call = [this](const Call& call) {
      if (!call.IsWrite() || racing_ || random_() % 3 != 0) return;
      racing_ = true;  // the other one, between this one's read and its write
      Read(&operators_[1]);
      racing_ = false;
    };
  }

  void Step() {
    // Small steps where something changes, large ones in between.
    const bool busy = history_.empty() || now_ < history_.back().first + hours(1);
    now_ += seconds(1 + random_() % (busy ? 300 : 4 * 3'600));
    for (Proxy& proxy : proxies_) Mount(&proxy);
    for (Operator& one : operators_) {
      if (now_ - one.read_at > minutes(random_() % 30)) Read(&one);
      if (random_() % 2 == 0) Sign(one);
    }
    Publish();
    while (!grants_.empty() && grants_.front().expires <= now_) grants_.pop_front();
  }

  void Quiet() { server_->fault = nullptr, server_->before_call = nullptr; }
  base::Result<GrantKeys> Ensure() { return EnsureGrantKeys(kube::Api(server_), kSettings, now_); }
  size_t PublishedKeys() const { return PublicPems(*server_).size(); }
  base::Time now() const { return now_; }
  const std::set<std::string>& used() const { return used_; }
  int signed_grants() const { return signed_; }
  int without_key() const { return without_key_; }

 private:
  struct Operator {
    base::Time read_at;
    std::optional<GrantKeys> keys;
  };
  struct Proxy {
    base::Duration lag;
    std::vector<std::string> pems;
    egress::GrantVerifier verifier;
  };
  struct Signed {
    base::Time expires;
    std::string token;
  };

  void Read(Operator* one) {
    auto keys = Ensure();
    if (!keys.ok()) return;
    one->keys = std::move(keys).value();
    one->read_at = now_;
  }

  void Sign(const Operator& one) {
    if (!one.keys || now_ - one.read_at > minutes(30)) return;
    const auto id = SigningKey(one.keys->state, now_);
    if (!id) {
      ++without_key_;
      return;
    }
    const Json published = Stored(*server_, kube::kConfigMaps, kEgressKeysConfigMap);
    EXPECT_TRUE(published["data"].contains(*id + ".pem")) << "signed with an unpublished key";
    const egress::Grant grant = GrantFor(now_, kMaxGrantLifetime - seconds(random_() % 80'000));
    const auto token = egress::SignGrant(grant, one.keys->private_pems.at(*id));
    ASSERT_TRUE(token.ok()) << token.status().ToString();
    for (const Proxy& proxy : proxies_) Check(proxy, *token);
    grants_.push_back({grant.expires, *token});
    used_.insert(*id);
    ++signed_;
  }

  void Publish() {
    std::vector<std::string> pems = PublicPems(*server_);
    if (history_.empty() || history_.back().second != pems) {
      history_.emplace_back(now_, std::move(pems));
    }
  }

  // The newest version that is `lag` old; the first one at once: pods wait for it.
  void Mount(Proxy* proxy) {
    if (history_.empty()) return;
    const std::vector<std::string>* seen = &history_.front().second;
    for (const auto& [at, pems] : history_) {
      if (at + proxy->lag <= now_) seen = &pems;
    }
    if (*seen == proxy->pems) return;
    proxy->pems = *seen;
    proxy->verifier = *egress::GrantVerifier::Create(proxy->pems);
    for (const Signed& grant : grants_) {
      if (grant.expires > now_) Check(*proxy, grant.token);
    }
  }

  void Check(const Proxy& proxy, const std::string& token) {
    if (proxy.pems.empty()) return;  // has not started yet
    const auto verdict = proxy.verifier.Verify(token, now_);
    EXPECT_TRUE(std::holds_alternative<egress::Grant>(verdict))
        << egress::ReasonName(std::get<egress::Reason>(verdict)) << " at "
        << base::FormatTime(now_);
  }

  std::mt19937_64 random_;
  const std::shared_ptr<FakeTransport> server_ = std::make_shared<FakeTransport>();
  base::Time now_ = kNow;
  bool racing_ = false;
  Operator operators_[2];
  Proxy proxies_[3] = {{seconds(0), {}, {}}, {minutes(2), {}, {}}, {seconds(598), {}, {}}};
  std::vector<std::pair<base::Time, std::vector<std::string>>> history_;
  std::deque<Signed> grants_;  // about in the order of their end
  std::set<std::string> used_;
  int signed_ = 0, without_key_ = 0;
};

TEST_F(EgressKeysTest, TheirRotationBreaksNothing) {
  for (uint64_t seed = 1; seed <= 2 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RotationWorld world(seed);
    while (world.now() < kNow + hours(100 * 24) && !HasFailure()) world.Step();
    EXPECT_GE(world.used().size(), 4u);
    EXPECT_GT(world.signed_grants(), 500);
    EXPECT_LE(world.without_key(), 2) << "there is always a key that may sign";
    world.Quiet();
    const auto keys = world.Ensure();
    ASSERT_TRUE(keys.ok());
    EXPECT_EQ(keys->state.signing.size(), 1u) << "those before are gone";
    EXPECT_EQ(world.PublishedKeys(), 1u);
  }
}

}  // namespace
}  // namespace sandgate::op
