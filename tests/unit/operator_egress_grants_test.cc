// What a run with network is given: where the proxy is, a grant that holds there, authorities.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/egress/grant.h"
#include "libs/http/tls.h"
#include "operator/egress_grants.h"
#include "tests/crash/manual_clock.h"
#include "tests/support/fake_transport.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::Json;
using base::Code;
using crash::ManualClock;
using sandgate::testing::Call;
using sandgate::testing::FakeTransport;
using sandgate::testing::Fault;
using State = EgressView::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(EgressAddressTest, OfAService) {
  const struct {
    const char* ip;
    const char* address;  // or what is wrong
  } rows[] = {{"10.96.0.7", "10.96.0.7:8443"},
              {"fd00::7", "[fd00::7]:8443"},
              {"None", "no cluster IP (None)"},
              {"", "no cluster IP, and"},
              {"example.com", "no cluster IP (example.com)"},
              {"10.1", "no cluster IP (10.1)"}};
  for (const auto& row : rows) {
    const auto address = EgressAddress({{"spec", {{"clusterIP", row.ip}}}});
    EXPECT_THAT(address.ok() ? *address : address.status().message(), HasSubstr(row.address));
  }
  EXPECT_FALSE(EgressAddress(Json::object()).ok());
}

class EgressGrantsTest : public ::testing::Test {
 protected:
  EgressGrantsTest() {
    base::SetLogSink([this](const std::string& line) { log_ += line; });
    std::filesystem::create_directories(directory_);
  }
  ~EgressGrantsTest() override {
    base::SetLogSink({});
    std::filesystem::remove_all(directory_);
  }

  std::unique_ptr<EgressGrants> New(const std::string& service = "sandgate-egress",
                                    const std::string& bundle = "") {
    return std::make_unique<EgressGrants>(EgressOptions{service, bundle}, kube::Api(server_),
                                          settings_, clock_, [this] { ++granted_; });
  }
  void PutService(const char* ip = "10.96.0.7") {
    server_->Put(kube::kServices,
                 {{"metadata", {{"namespace", settings_.ns}, {"name", "sandgate-egress"}}},
                  {"spec", {{"clusterIP", ip}}}});
  }
  // Of a run that was claimed now, for 30 s.
  Admitted AdmittedRun(const std::vector<std::string>& domains = {"a.example", "*.b.example"}) {
    Moment m;
    m.policy = AutoPolicy();
    m.WantNetwork(domains, {});
    m.Claim();
    m.execution.status.start_time = clock_.Now();
    auto admitted = Admit(m.execution, m.sandbox, m.policy->sandbox());
    EXPECT_TRUE(admitted.ok()) << admitted.status().message();
    return *admitted;
  }
  // As a proxy sees it that mounts the ConfigMap.
  std::variant<egress::Grant, egress::Reason> Verify(const std::string& token) {
    std::vector<std::string> pems;
    const Json keys =
        server_->Find(kube::kConfigMaps, settings_.ns, kEgressKeysConfigMap).value_or(Json());
    for (const auto& [name, pem] : api::Member(keys, "data").items()) pems.push_back(pem);
    return egress::GrantVerifier::Create(pems)->Verify(token, clock_.Now());
  }

  const std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("egress-" + base::RandomHex(8));
  ManualClock clock_;
  const std::shared_ptr<FakeTransport> server_ = std::make_shared<FakeTransport>(clock_);
  Settings settings_;
  std::string log_;
  std::atomic<int> granted_ = 0;
};

TEST_F(EgressGrantsTest, WithoutAProxyNothingIsReadAndNothingGranted) {
  const auto grants = New("");
  const EgressView view = grants->View();
  EXPECT_EQ(view.state, State::kOff);
  EXPECT_THAT(view.problem, HasSubstr("egress.enabled"));
  EXPECT_THAT(view.problem, HasSubstr("--egress-service"));
  EXPECT_EQ(grants->For(AdmittedRun()).status().code(), Code::kUnavailable);
  EXPECT_TRUE(server_->calls().empty());
  EXPECT_FALSE(grants->Ready());
  EXPECT_EQ(grants->KeyAge(), std::nullopt);
}

TEST_F(EgressGrantsTest, AMissingServiceSaysWhatToSet) {
  const auto grants = New();
  const EgressView view = grants->View();
  EXPECT_EQ(view.state, State::kBroken);
  EXPECT_THAT(view.problem, HasSubstr("Service \"sandgate-egress\" does not exist"));
  EXPECT_THAT(view.problem, HasSubstr("egress.enabled"));
  EXPECT_TRUE(server_->Find(kube::kConfigMaps, settings_.ns, kEgressKeysConfigMap))
      << "the proxies' pods wait for the keys, whoever comes first";
  PutService("None");
  clock_.Advance(kEgressRetry);
  EXPECT_EQ(grants->View().state, State::kBroken);
  EXPECT_THAT(grants->View().problem, HasSubstr("no cluster IP (None)"));
  PutService();
  clock_.Advance(kEgressRetry);
  EXPECT_EQ(grants->View().state, State::kReady);
  EXPECT_TRUE(grants->Ready());
  EXPECT_EQ(grants->View().problem, "");
}

TEST_F(EgressGrantsTest, WhatWasReadCountsForAWhile) {
  PutService();
  const auto grants = New();
  EXPECT_EQ(grants->View().state, State::kReady);
  server_->ClearCalls();
  clock_.Advance(kEgressFresh - std::chrono::seconds(1));
  EXPECT_EQ(grants->View().state, State::kReady);
  EXPECT_TRUE(grants->For(AdmittedRun()).ok());
  EXPECT_TRUE(server_->calls().empty());
  clock_.Advance(std::chrono::seconds(1));
  server_->Remove(kube::kServices, settings_.ns, "sandgate-egress");
  EXPECT_EQ(grants->View().state, State::kBroken);
  EXPECT_FALSE(grants->For(AdmittedRun()).ok());
}

TEST_F(EgressGrantsTest, ManyWorkersAtOnceReadOnce) {
  PutService();
  const auto grants = New();
  (void)grants->View();  // the keys are made
  server_->ClearCalls();
  clock_.Advance(kEgressFresh);
  const Admitted admitted = AdmittedRun();
  std::vector<std::thread> workers;
  for (int i = 0; i < 8; ++i) {
    workers.emplace_back([&] {
      EXPECT_EQ(grants->View().state, State::kReady);
      EXPECT_TRUE(grants->For(admitted).ok());
      EXPECT_TRUE(grants->Ready() && grants->KeyAge());
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(server_->calls().size(), 3u) << "Service, Secret, ConfigMap";
  EXPECT_EQ(granted_, 8);
}

TEST_F(EgressGrantsTest, AnApiServerThatIsAwayComesBack) {
  PutService();
  const auto grants = New();
  server_->fault = [](const Call&) { return Fault::kUnreachable; };
  EXPECT_EQ(grants->View().state, State::kNotYet);
  EXPECT_THAT(grants->View().problem, HasSubstr("No run can be granted network now"));
  EXPECT_EQ(grants->For(AdmittedRun()).status().code(), Code::kUnavailable);
  server_->fault = nullptr;
  clock_.Advance(kEgressRetry);
  EXPECT_EQ(grants->View().state, State::kReady);
}

TEST_F(EgressGrantsTest, AForeignSecretRefusesNetworkAndIsSaidOnce) {
  PutService();
  server_->Put(kube::kSecrets,
               {{"metadata", {{"namespace", settings_.ns}, {"name", kEgressSigningSecret}}},
                {"data", {{"key", "c2VjcmV0"}}}});
  const auto grants = New();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(grants->View().state, State::kBroken);
    EXPECT_THAT(grants->View().problem, HasSubstr(kEgressSigningSecret));
    EXPECT_THAT(grants->View().problem, HasSubstr("Delete it"));
    clock_.Advance(kEgressRetry);
  }
  EXPECT_EQ(server_->CountWrites(), 0);
  EXPECT_EQ(log_.find("no run can be granted network"), log_.rfind("no run can be granted network"))
      << log_;
  EXPECT_EQ(log_.find("c2VjcmV0"), std::string::npos);
}

TEST_F(EgressGrantsTest, AGrantIsForThisRunAndForItsTime) {
  PutService();
  const auto grants = New();
  const Admitted admitted = AdmittedRun();
  const auto network = grants->For(admitted);
  ASSERT_TRUE(network.ok()) << network.status().ToString();
  EXPECT_EQ(network->proxy, "10.96.0.7:8443");
  EXPECT_THAT(network->domains, ElementsAre("a.example", "*.b.example"));
  EXPECT_EQ(network->ca_bundle, "");
  const auto verdict = Verify(network->grant);
  ASSERT_TRUE(std::holds_alternative<egress::Grant>(verdict));
  const egress::Grant& grant = std::get<egress::Grant>(verdict);
  EXPECT_EQ(grant.sandbox_uid, "sandbox-uid");
  EXPECT_EQ(grant.run_id, "run");
  EXPECT_EQ(grant.name_space, "agents");
  EXPECT_EQ(grant.execution, "run-1");
  EXPECT_EQ(grant.domains, network->domains);
  EXPECT_EQ(grant.not_before, clock_.Now() - egress::kGrantClockSkew);
  EXPECT_EQ(grant.expires, clock_.Now() + std::chrono::seconds(32));
  EXPECT_EQ(grant.max_bytes, kRunEgressBytes);
  EXPECT_EQ(granted_, 1);
  EXPECT_EQ(log_.find(network->grant), std::string::npos);

  // Again, as after an answer that was lost: not a second longer.
  clock_.Advance(std::chrono::seconds(31));
  const auto again = grants->For(admitted);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(std::get<egress::Grant>(Verify(again->grant)).expires, grant.expires);
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(grants->For(admitted).status().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(granted_, 2);
}

TEST_F(EgressGrantsTest, TheLongestListFits) {
  PutService();
  std::vector<std::string> many;
  for (int i = 0; i < 64; ++i) {
    many.push_back("a-name-as-long-as-they-come-" + std::to_string(100 + i) +
                   ".and-more-of-it.example.com");
  }
  const auto network = New()->For(AdmittedRun(many));
  ASSERT_TRUE(network.ok()) << network.status().ToString();
  EXPECT_LT(network->grant.size(), api::kMaxRunGrantBytes);
}

TEST_F(EgressGrantsTest, AKeyThatIsNotMountedYetIsWaitedFor) {
  PutService();
  const auto first = New();
  EXPECT_EQ(first->View().state, State::kReady);
  server_->Remove(kube::kSecrets, settings_.ns, kEgressSigningSecret);
  clock_.Advance(kEgressFresh);
  const EgressView view = first->View();
  EXPECT_EQ(view.state, State::kNotYet);
  EXPECT_THAT(view.problem, HasSubstr("It counts from 2030-01-01T00:10:30Z on"));
  EXPECT_FALSE(first->For(AdmittedRun()).ok());
  EXPECT_EQ(first->KeyAge(), std::nullopt);
  clock_.Advance(kKeyPropagation);
  const auto network = first->For(AdmittedRun());
  ASSERT_TRUE(network.ok()) << network.status().ToString();
  EXPECT_TRUE(std::holds_alternative<egress::Grant>(Verify(network->grant)));
}

TEST_F(EgressGrantsTest, TheKeysAgeIsKnown) {
  PutService();
  const auto grants = New();
  (void)grants->View();
  clock_.Advance(std::chrono::hours(48));
  EXPECT_EQ(grants->KeyAge(), std::chrono::hours(48));
}

TEST_F(EgressGrantsTest, TheBundleIsReadAnewAndHoldsCertificatesAlone) {
  const auto authority = [](const char* name) {
    return *http::CertificateAuthority::Create(name, std::chrono::hours(24), ManualClock().Now());
  };
  const http::CertificateAuthority one = authority("one"), two = authority("two");
  const std::string path = directory_ / "ca.crt";
  const auto write = [&](const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  };
  CaBundle bundle(path);
  EXPECT_EQ(bundle.Get(), "") << "an absent file is none";
  write("\n");
  EXPECT_EQ(bundle.Get(), "");
  write("a mirror's\n" + one.certificate_pem() + one.identity().key_pem);
  EXPECT_EQ(bundle.Get(), one.certificate_pem()) << "a key that lies there goes nowhere";
  write(one.certificate_pem() + two.certificate_pem());
  EXPECT_EQ(bundle.Get(), one.certificate_pem() + two.certificate_pem());
  EXPECT_EQ(log_, "");
  for (const std::string& bad :
       {std::string("no certificate"), std::string(kMaxCaBundleFileBytes + 1, ' '),
        one.certificate_pem().substr(0, 200) + "\n-----END CERTIFICATE-----\n"}) {
    write(bad);
    EXPECT_EQ(bundle.Get(), one.certificate_pem() + two.certificate_pem()) << "the last good one";
    EXPECT_EQ(bundle.Get(), one.certificate_pem() + two.certificate_pem());
    EXPECT_THAT(log_, HasSubstr("--ca-bundle is not used"));
    EXPECT_EQ(log_.find("--ca-bundle"), log_.rfind("--ca-bundle")) << "said once";
    log_.clear();
  }
  std::filesystem::remove(path);
  EXPECT_EQ(bundle.Get(), "");
  EXPECT_EQ(CaBundle("").Get(), "");
}

TEST_F(EgressGrantsTest, RunsGetTheBundle) {
  PutService();
  const auto authority =
      *http::CertificateAuthority::Create("mirror", std::chrono::hours(24), clock_.Now());
  const std::string path = directory_ / "ca.crt";
  std::ofstream(path) << authority.certificate_pem();
  const auto network = New("sandgate-egress", path)->For(AdmittedRun());
  ASSERT_TRUE(network.ok());
  EXPECT_EQ(network->ca_bundle, authority.certificate_pem());
}

}  // namespace
}  // namespace sandgate::op
