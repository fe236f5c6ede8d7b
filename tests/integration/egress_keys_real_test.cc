// The keys of grants and the egress proxy's Service on a real API server: what the one in memory
// cannot prove about merge patches, compare-and-swap and cluster IPs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "libs/api/meta.h"
#include "libs/base/ids.h"
#include "libs/egress/grant.h"
#include "operator/certificates.h"
#include "operator/egress_grants.h"
#include "tests/crash/manual_clock.h"
#include "tests/integration/kube_integration_env.h"

namespace sandgate::op {
namespace {

using api::Json;
using State = EgressView::State;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class EgressReal : public ::testing::Test {
 protected:
  EgressReal() { settings_.ns = kube::NewNamespace(api_); }

  Json Stored(const kube::Resource& resource, const char* name) {
    const auto found = api_.Get(resource, settings_.ns, name);
    return found.ok() ? *found : Json();
  }
  std::string Versions() {
    return api::MetaFromJson(Stored(kube::kSecrets, kEgressSigningSecret)).resource_version + "/" +
           api::MetaFromJson(Stored(kube::kConfigMaps, kEgressKeysConfigMap)).resource_version;
  }
  base::Result<GrantKeys> Ensure(base::Time now) { return EnsureGrantKeys(api_, settings_, now); }
  void CreateService(const std::string& name, const Json& spec) {
    const auto made = api_.Create(kube::kServices, settings_.ns,
                                  {{"metadata", {{"name", name}}}, {"spec", spec}});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
  }

  const kube::Api api_{kube::RealTransport()};
  Settings settings_;
  const base::Time start_ = *base::ParseTime("2030-01-01T00:00:00Z");
};

TEST_F(EgressReal, TheKeysWholeLife) {
  const auto first = Ensure(start_);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const std::string old = SigningKey(first->state, start_).value_or("");
  ASSERT_NE(old, "");
  const std::string written = Versions();
  ASSERT_TRUE(Ensure(start_ + std::chrono::hours(24)).ok());
  EXPECT_EQ(Versions(), written) << "nothing is due, nothing is written";

  const base::Time due = start_ + kKeyLifetime;
  const auto both = Ensure(due);
  ASSERT_TRUE(both.ok()) << both.status().ToString();
  EXPECT_THAT(both->state.signing, SizeIs(2));
  EXPECT_THAT(both->state.published, SizeIs(2));
  EXPECT_EQ(SigningKey(both->state, due), old);
  const base::Time since = due + kKeyPropagation;
  const std::string fresh = SigningKey(both->state, since).value_or("");
  EXPECT_NE(fresh, old);

  const auto retired = Ensure(since + kKeySettling);
  ASSERT_TRUE(retired.ok()) << retired.status().ToString();
  EXPECT_EQ(retired->state.signing, std::set<std::string>{fresh});
  EXPECT_THAT(retired->state.published, SizeIs(2));
  EXPECT_THAT(Stored(kube::kSecrets, kEgressSigningSecret)["data"], SizeIs(1));

  const auto withdrawn = Ensure(since + egress::kMaxGrantLifetime + kKeySettling);
  ASSERT_TRUE(withdrawn.ok()) << withdrawn.status().ToString();
  const Json config_map = Stored(kube::kConfigMaps, kEgressKeysConfigMap);
  EXPECT_THAT(config_map["data"], SizeIs(1));
  EXPECT_THAT(config_map["metadata"]["annotations"], SizeIs(1)) << "its date goes with the key";
  EXPECT_TRUE(egress::GrantVerifier::Create({config_map["data"][fresh + ".pem"]}).ok());
}

TEST_F(EgressReal, ManyOperatorsAtOnceComeToTheSameKey) {
  constexpr int kOperators = 6;
  std::vector<std::thread> operators;
  std::vector<std::string> keys(kOperators);
  for (int i = 0; i < kOperators; ++i) {
    operators.emplace_back([&, i] {
      const auto ensured = Ensure(start_);
      EXPECT_TRUE(ensured.ok()) << ensured.status().ToString();
      if (ensured.ok()) keys[static_cast<size_t>(i)] = *SigningKey(ensured->state, start_);
    });
  }
  for (std::thread& one : operators) one.join();
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), 1u);
  EXPECT_THAT(Stored(kube::kSecrets, kEgressSigningSecret)["data"], SizeIs(1));
}

TEST_F(EgressReal, AForeignSecretStaysAsItIs) {
  ASSERT_TRUE(api_.Create(kube::kSecrets, settings_.ns,
                          {{"metadata", {{"name", kEgressSigningSecret}}},
                           {"stringData", {{"password", "theirs"}}}})
                  .ok());
  const std::string before = Versions();
  const auto keys = Ensure(start_);
  EXPECT_EQ(keys.status().code(), base::Code::kInvalidArgument);
  EXPECT_THAT(keys.status().message(), HasSubstr(kEgressSigningSecret));
  EXPECT_EQ(Versions(), before);
}

TEST_F(EgressReal, TheProxysAddressIsItsClusterIp) {
  crash::ManualClock clock;
  EgressGrants grants({"way-out", ""}, api_, settings_, clock);
  EXPECT_THAT(grants.View().problem, HasSubstr("\"way-out\" does not exist"));
  CreateService("way-out", {{"selector", {{"app", "x"}}}, {"ports", {{{"port", 8443}}}}});
  clock.Advance(kEgressRetry);
  const EgressView ready = grants.View();
  EXPECT_EQ(ready.state, State::kReady) << ready.problem;
  const auto address = EgressAddress(Stored(kube::kServices, "way-out"));
  ASSERT_TRUE(address.ok()) << address.status().ToString();
  EXPECT_THAT(*address, HasSubstr(":8443"));

  CreateService("headless", {{"clusterIP", "None"}, {"ports", {{{"port", 8443}}}}});
  EgressGrants headless({"headless", ""}, api_, settings_, clock);
  EXPECT_EQ(headless.View().state, State::kBroken);
  EXPECT_THAT(headless.View().problem, HasSubstr("no cluster IP (None)"));
}

TEST_F(EgressReal, TheCertificateIsMadeOnce) {
  const auto authority =
      http::CertificateAuthority::Create("test", std::chrono::hours(10'000), start_);
  ASSERT_TRUE(authority.ok());
  for (int i = 0; i < 2; ++i) {
    const base::Status made =
        EnsureServerCertificate(api_, settings_, *authority, EgressCertificate(), start_);
    EXPECT_TRUE(made.ok()) << made.ToString();
  }
  const Json secret = Stored(kube::kSecrets, kEgressTlsSecret);
  EXPECT_EQ(secret["type"], "kubernetes.io/tls");
  EXPECT_THAT(secret["data"], SizeIs(3));
}

}  // namespace
}  // namespace sandgate::op
