// The operator's certificates, policy file, options and metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "libs/api/runner_protocol.h"
#include "libs/base/log.h"
#include "operator/certificates.h"
#include "operator/metrics.h"
#include "operator/options.h"
#include "operator/policy_file.h"
#include "tests/support/fake_transport.h"

namespace sandgate::op {
namespace {

using api::Json;
using base::Code;
using sandgate::testing::Call;
using sandgate::testing::FakeTransport;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const base::Time kNow = *base::ParseTime("2030-01-01T00:00:00Z");
constexpr std::chrono::hours kDay{24};
const Settings kSettings;

std::string Data(const FakeTransport& server, const char* secret, const char* key) {
  const Json object = server.Find(kube::kSecrets, kSettings.ns, secret).value_or(Json());
  return api::Base64Decode(api::StringOr(api::Member(object, "data"), key)).value_or("");
}

http::CertificateAuthority NewAuthority() {
  return *http::CertificateAuthority::Create("other", kDay * 365, kNow);
}

http::TlsIdentity LeafOf(const http::CertificateAuthority& authority) {
  http::CertificateRequest request;
  request.common_name = "leaf";
  auto leaf = authority.Issue(request, kNow);
  EXPECT_TRUE(leaf.ok());
  return leaf.ok() ? *leaf : http::TlsIdentity{};
}

std::vector<std::string> UrisOf(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* leaf = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  GENERAL_NAMES_free(names);
  X509_free(leaf);
  BIO_free(bio);
  return uris;
}

Json CaSecret(const http::TlsIdentity& identity) {
  return {{"metadata", {{"name", kCaSecret}, {"namespace", kSettings.ns}}},
          {"data",
           {{"tls.crt", api::Base64Encode(identity.certificate_pem)},
            {"tls.key", api::Base64Encode(identity.key_pem)}}}};
}

TEST(Authority, IsCreatedOnceAndThenRead) {
  const auto server = std::make_shared<FakeTransport>();
  const kube::Api api(server);
  const auto first = EnsureAuthority(api, kSettings, kNow);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(server->CountWrites(), 1);
  const auto second = EnsureAuthority(api, kSettings, kNow + kDay);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(server->CountWrites(), 1);
  EXPECT_EQ(first->certificate_pem(), second->certificate_pem());
  EXPECT_EQ(Data(*server, kCaSecret, "tls.crt"), first->certificate_pem());
}

TEST(Authority, OfTwoOperatorsOneCreatesIt) {
  const auto server = std::make_shared<FakeTransport>();
  const http::CertificateAuthority others = NewAuthority();
  server->before_call = [&](const Call& call) {
    if (call.method == "POST") server->Put(kube::kSecrets, CaSecret(others.identity()));
  };
  const auto authority = EnsureAuthority(kube::Api(server), kSettings, kNow);
  ASSERT_TRUE(authority.ok()) << authority.status().ToString();
  EXPECT_EQ(authority->certificate_pem(), others.certificate_pem());
  EXPECT_EQ(Data(*server, kCaSecret, "tls.crt"), others.certificate_pem());
}

TEST(Authority, AnUnusableSecretIsNeverOverwritten) {
  const http::CertificateAuthority one = NewAuthority();
  const http::TlsIdentity rows[] = {
      {"", ""},
      {"no certificate", one.identity().key_pem},
      {one.certificate_pem(), NewAuthority().identity().key_pem},
      LeafOf(one),  // no authority's certificate
  };
  for (const http::TlsIdentity& row : rows) {
    const auto server = std::make_shared<FakeTransport>();
    server->Put(kube::kSecrets, CaSecret(row));
    const auto authority = EnsureAuthority(kube::Api(server), kSettings, kNow);
    ASSERT_FALSE(authority.ok());
    EXPECT_EQ(authority.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(authority.status().message(), HasSubstr(kCaSecret));
    EXPECT_EQ(server->CountWrites(), 0);
  }
  const auto server = std::make_shared<FakeTransport>();
  server->Put(kube::kSecrets, CaSecret(one.identity()));
  const auto expired = EnsureAuthority(kube::Api(server), kSettings, kNow + kDay * 366);
  ASSERT_FALSE(expired.ok());
  EXPECT_THAT(expired.status().message(), HasSubstr("expired"));
}

TEST(Identity, OfTheOperatorLastsThirtyDays) {
  const http::CertificateAuthority authority = NewAuthority();
  const auto identity = OperatorIdentity(authority, kNow);
  ASSERT_TRUE(identity.ok());
  EXPECT_TRUE(authority.Issued(*identity));
  EXPECT_FALSE(NewAuthority().Issued(*identity));
  EXPECT_EQ(*http::CertificateExpiry(identity->certificate_pem), kNow + kDay * 30);
}

class ServerCertificateTest : public ::testing::Test {
 protected:
  base::Status Ensure(const std::vector<std::string>& hosts, base::Time now = kNow) {
    return EnsureServerCertificate(kube::Api(server_), kSettings, authority_,
                                   GatewayCertificate(hosts), now);
  }
  std::string Certificate() const { return Data(*server_, kGatewayTlsSecret, "tls.crt"); }

  const std::shared_ptr<FakeTransport> server_ = std::make_shared<FakeTransport>();
  const http::CertificateAuthority authority_ = NewAuthority();
};

TEST_F(ServerCertificateTest, CoversItsHosts) {
  ASSERT_TRUE(Ensure({"gate.example.com", "10.1.2.3", "fd00::1"}).ok());
  const Json secret = *server_->Find(kube::kSecrets, kSettings.ns, kGatewayTlsSecret);
  EXPECT_EQ(secret["type"], "kubernetes.io/tls");
  EXPECT_EQ(secret["metadata"]["annotations"][kHostsAnnotation],
            "10.1.2.3,fd00::1,gate.example.com,localhost,sandgate-gateway,"
            "sandgate-gateway.sandgate-system,sandgate-gateway.sandgate-system.svc,"
            "sandgate-gateway.sandgate-system.svc.cluster.local");
  EXPECT_EQ(Data(*server_, kGatewayTlsSecret, "ca.crt"), authority_.certificate_pem());
  const std::string pem = Certificate();
  EXPECT_TRUE(authority_.Issued({pem, Data(*server_, kGatewayTlsSecret, "tls.key")}));
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* leaf = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  ASSERT_NE(leaf, nullptr);
  for (const char* host : {"gate.example.com", "localhost", "sandgate-gateway",
                           "sandgate-gateway.sandgate-system.svc.cluster.local"}) {
    EXPECT_EQ(X509_check_host(leaf, host, 0, 0, nullptr), 1) << host;
  }
  EXPECT_EQ(X509_check_host(leaf, "example.com", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(leaf, "10.1.2.3", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf, "fd00::1", 0), 1);
  X509_free(leaf);
  BIO_free(bio);
}

TEST_F(ServerCertificateTest, IsWrittenOnlyForAReason) {
  ASSERT_TRUE(Ensure({}).ok());
  const auto renewed = [&](const std::vector<std::string>& hosts, base::Time now) {
    const std::string before = Certificate();
    server_->ClearCalls();
    const base::Status status = Ensure(hosts, now);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(server_->CountWrites(), Certificate() == before ? 0 : 1);
    return Certificate() != before;
  };
  EXPECT_FALSE(renewed({}, kNow));
  EXPECT_FALSE(renewed({"localhost"}, kNow + kDay * 59));
  EXPECT_TRUE(renewed({}, kNow + kDay * 60));
  EXPECT_TRUE(renewed({"more.example.com"}, kNow + kDay * 60));
  EXPECT_TRUE(renewed({}, kNow + kDay * 60));  // a host less

  const auto damage = [&](const char* key, const std::string& value) {
    server_->Put(kube::kSecrets,
                 {{"metadata", {{"name", kGatewayTlsSecret}, {"namespace", kSettings.ns}}},
                  {"data", {{key, api::Base64Encode(value)}}}});
  };
  const http::CertificateAuthority other = NewAuthority();
  damage("ca.crt", other.certificate_pem());
  EXPECT_TRUE(renewed({}, kNow + kDay * 60));
  damage("tls.crt", LeafOf(other).certificate_pem);
  EXPECT_TRUE(renewed({}, kNow + kDay * 60));
  damage("tls.key", LeafOf(other).key_pem);
  EXPECT_TRUE(renewed({}, kNow + kDay * 60));
}

TEST_F(ServerCertificateTest, OfTwoOperatorsOneWritesIt) {
  for (const char* method : {"POST", "PATCH"}) {  // missing; then about to expire
    bool raced = false;
    std::string others;
    const base::Time now = method == std::string("POST") ? kNow : kNow + kDay * 80;
    server_->before_call = [&](const Call& call) {
      if (call.method != method || raced) return;
      raced = true;
      EXPECT_TRUE(Ensure({}, now).ok());
      others = Certificate();
    };
    EXPECT_TRUE(Ensure({}, now).ok());
    EXPECT_TRUE(raced) << method;
    EXPECT_EQ(Certificate(), others) << method;
  }
}

TEST_F(ServerCertificateTest, OfTheEgressProxy) {
  const auto ensure = [&](base::Time now) {
    return EnsureServerCertificate(kube::Api(server_), kSettings, authority_, EgressCertificate(),
                                   now);
  };
  ASSERT_TRUE(Ensure({}).ok());
  const std::string gateway = Certificate();
  ASSERT_TRUE(ensure(kNow).ok());
  const std::string pem = Data(*server_, kEgressTlsSecret, "tls.crt");
  EXPECT_TRUE(authority_.Issued({pem, Data(*server_, kEgressTlsSecret, "tls.key")}));
  EXPECT_EQ(Data(*server_, kEgressTlsSecret, "ca.crt"), authority_.certificate_pem());
  EXPECT_EQ(UrisOf(pem), std::vector<std::string>{http::kEgressUri})
      << "what runners know it by, and nobody else has";
  EXPECT_EQ(UrisOf(gateway), std::vector<std::string>{http::kGatewayUri});
  EXPECT_TRUE(ensure(kNow + kDay * 59).ok());
  EXPECT_EQ(Data(*server_, kEgressTlsSecret, "tls.crt"), pem);
  EXPECT_TRUE(ensure(kNow + kDay * 60).ok());
  EXPECT_NE(Data(*server_, kEgressTlsSecret, "tls.crt"), pem);
  EXPECT_EQ(Certificate(), gateway) << "each Secret is its own";
}

TEST_F(ServerCertificateTest, NoHostIsRefusedByItsName) {
  EXPECT_EQ(Ensure({"not a host"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(server_->CountWrites(), 0);
}

constexpr char kLenient[] =
    "security: {hitl: {default_rules: false, rules: [{tools: [code_execute], risk: LOW}]}}\n";
constexpr char kWrong[] = "security: {hitl: {enabeld: true}}\n";

// A file that is replaced as a mounted ConfigMap is: whole.
class PolicyFileTest : public ::testing::Test {
 protected:
  PolicyFileTest() {
    base::SetLogSink([this](const std::string& line) {
      if (line.find("policy refused") != std::string::npos) ++refusals_;
    });
  }
  ~PolicyFileTest() override {
    base::SetLogSink(nullptr);
    std::filesystem::remove(path_);
  }
  void Write(const std::string& text) {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }

  const std::string path_ = ::testing::TempDir() + "/policy_" +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                            ".yaml";
  std::atomic<int> refusals_{0};
};

TEST_F(PolicyFileTest, NoPathIsTheBuiltInPolicy) {
  PolicyFile file("", [] {});
  EXPECT_EQ(file.Get(), nullptr);
  EXPECT_TRUE(file.Load().ok());
  EXPECT_EQ(file.Get()->revision(), policy::Policy::Default()->revision());
  EXPECT_TRUE(file.healthy());
}

TEST_F(PolicyFileTest, ABadFileKeepsTheLastGoodOne) {
  PolicyFile file(path_, [] {});
  EXPECT_EQ(file.Load().code(), Code::kInvalidArgument);  // there is none
  EXPECT_EQ(file.Get(), nullptr);
  Write(kLenient);
  ASSERT_TRUE(file.Load().ok());
  const std::string revision = file.Get()->revision();
  EXPECT_NE(revision, policy::Policy::Default()->revision());
  refusals_ = 0;
  Write(kWrong);
  for (int i = 0; i < 3; ++i) {
    const base::Status status = file.Load();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("enabeld"));
  }
  EXPECT_EQ(refusals_, 1);
  EXPECT_EQ(file.Get()->revision(), revision);
  EXPECT_FALSE(file.healthy());
  std::filesystem::remove(path_);
  EXPECT_FALSE(file.Load().ok());
  EXPECT_FALSE(file.Load().ok());
  EXPECT_EQ(refusals_, 2);
  Write(kLenient);
  EXPECT_TRUE(file.Load().ok());
  EXPECT_TRUE(file.healthy());
}

TEST_F(PolicyFileTest, ANewFileIsTakenUp) {
  std::mutex mutex;
  std::condition_variable told;
  Write(kLenient);
  PolicyFile file(path_, [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    told.notify_all();
  });
  ASSERT_TRUE(file.Load().ok());
  const std::string lenient = file.Get()->revision();
  file.Start();
  std::unique_lock lock(mutex);
  Write(kWrong);
  told.wait(lock, [&] { return !file.healthy(); });
  EXPECT_EQ(file.Get()->revision(), lenient);
  Write("");
  told.wait(lock, [&] { return file.healthy(); });
  EXPECT_EQ(file.Get()->revision(), policy::Policy::Default()->revision());
  lock.unlock();
  file.Stop();
}

std::string NoEnvironment(const std::string&) {
  return "";
}

TEST(OperatorOptions, Defaults) {
  const auto parsed = ParseOptions({}, NoEnvironment);
  ASSERT_TRUE(std::holds_alternative<Options>(parsed)) << std::get<std::string>(parsed);
  const Options& options = std::get<Options>(parsed);
  EXPECT_EQ(options.ns, kSettings.ns);
  EXPECT_EQ(options.user, kSettings.user);
  EXPECT_EQ(options.image, kSettings.image);
  EXPECT_EQ(options.pull_policy, kSettings.pull_policy);
  EXPECT_EQ(options.health.port, 8081);
  EXPECT_EQ(options.audit_file, "");
  EXPECT_FALSE(options.probe_listen) << "and then nothing demands isolation";
  EXPECT_EQ(options.egress_service, "") << "no way out unless it is named";
  EXPECT_EQ(options.ca_bundle, "");
  EXPECT_FALSE(options.pod_name.empty());
}

TEST(OperatorOptions, FlagsStandAboveTheEnvironment) {
  const auto environment = [](const std::string& name) -> std::string {
    if (name == "SANDGATE_GATEWAY_HOSTS") return "a.example.com, 10.0.0.1,,";
    if (name == "SANDGATE_RUNNER_PULL_POLICY") return "Never";
    return name == "POD_NAMESPACE" || name == "POD_NAME" ? "from-" + name : "value";
  };
  const auto parsed =
      ParseOptions({"--namespace", "mine", "--gateway-host=b", "--gateway-host", "c",
                    "--health=[::1]:99", "--egress-service=way-out", "--ca-bundle", "/ca.crt"},
                   environment);
  ASSERT_TRUE(std::holds_alternative<Options>(parsed)) << std::get<std::string>(parsed);
  const Options& options = std::get<Options>(parsed);
  EXPECT_EQ(options.ns, "mine");
  EXPECT_EQ(options.user, "system:serviceaccount:mine:sandgate-operator");
  EXPECT_EQ(options.pod_name, "from-POD_NAME");
  EXPECT_EQ(options.admission, "value");
  EXPECT_EQ(options.pull_policy, "Never");
  EXPECT_EQ(options.health.host, "::1");
  EXPECT_EQ(options.egress_service, "way-out");
  EXPECT_EQ(options.ca_bundle, "/ca.crt");
  EXPECT_THAT(options.gateway_hosts, ElementsAre("a.example.com", "10.0.0.1", "b", "c"));
}

TEST(OperatorOptions, TheProbeAddressIsThePodsOwn) {
  const auto pod = [](const std::string& name) -> std::string {
    return name == "POD_IP" ? "10.0.0.9" : "";
  };
  const auto parsed = ParseOptions({"--probe-listen=0.0.0.0:8082"}, pod);
  ASSERT_TRUE(std::holds_alternative<Options>(parsed)) << std::get<std::string>(parsed);
  EXPECT_EQ(std::get<Options>(parsed).probe_listen->port, 8082);
  EXPECT_EQ(std::get<Options>(parsed).probe_address, "10.0.0.9");
  const auto given = ParseOptions({"--probe-listen=:8082", "--probe-address=::1"}, pod);
  EXPECT_FALSE(std::holds_alternative<Options>(given)) << "an address is named";
}

TEST(OperatorOptions, ProblemsAreNamed) {
  const struct {
    std::vector<std::string> arguments;
    const char* problem;
  } rows[] = {
      {{"--nonsense", "1"}, "unknown option --nonsense"},
      {{"stray"}, "unknown option stray"},
      {{"--config"}, "--config needs a value"},
      {{"--config="}, "--config needs a value"},
      {{"--health", "8081"}, "--health must be"},
      {{"--health", "0.0.0.0:70000"}, "--health must be"},
      {{"--pull-policy", "Sometimes"}, "--pull-policy must be"},
      {{"--probe-listen", "8082", "--probe-address", "10.0.0.9"}, "--probe-listen must be"},
      {{"--probe-listen", "0.0.0.0:8082"}, "--probe-listen needs --probe-address"},
      {{"--probe-address", ""}, "--probe-address needs a value"},
      {{"--egress-service", "../secrets/x"}, "--egress-service must be a Service's name"},
      {{"--egress-service", "UPPER"}, "--egress-service must be a Service's name"},
      {{"--egress-service", "ends-"}, "--egress-service must be a Service's name"},
      {{"--egress-service", std::string(64, 'a')}, "--egress-service must be a Service's name"},
  };
  for (const auto& row : rows) {
    const auto parsed = ParseOptions(row.arguments, NoEnvironment);
    ASSERT_TRUE(std::holds_alternative<std::string>(parsed)) << row.problem;
    EXPECT_THAT(std::get<std::string>(parsed), HasSubstr(row.problem));
  }
  EXPECT_TRUE(std::get<Options>(ParseOptions({"--help", "--x"}, NoEnvironment)).help);
  const auto none = ParseOptions({"--egress-service=", "--ca-bundle="}, NoEnvironment);
  EXPECT_EQ(std::get<Options>(none).egress_service, "") << "what a chart writes that has none";
  EXPECT_TRUE(std::get<Options>(ParseOptions({"--version"}, NoEnvironment)).version);
}

TEST(OperatorMetrics, Text) {
  Metrics metrics;
  metrics.CountFinished("code", "HIGH", "Succeeded");
  metrics.CountFinished("code", "HIGH", "Succeeded");
  metrics.ObserveApprovalWait(45);
  metrics.CountDecision("Denied");
  metrics.CountWrite("pods", "create");
  metrics.CountFinished("Execute", "", "Failed");
  metrics.SetAudit(true, 2);
  metrics.SetAudit(false, 5);
  metrics.SetPendingApprovals(3);
  metrics.SetGuardIntact(true);
  metrics.CountGrant();
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("signing_key_age_seconds "))) << "no key, no age";
  metrics.SetEgress(true, std::chrono::hours(1));
  metrics.SetQueueDepth("sandbox", 7);
  const std::string text = metrics.Text();
  for (const char* line :
       {"sandgate_executions_total{operation=\"code\",outcome=\"Succeeded\",risk=\"HIGH\"} 2",
        "sandgate_approval_wait_seconds_bucket{le=\"30\"} 0",
        "sandgate_approval_wait_seconds_bucket{le=\"60\"} 1",
        "sandgate_approval_decisions_total{verdict=\"Denied\"} 1",
        "sandgate_api_writes_total{resource=\"pods\",verb=\"create\"} 1",
        "sandgate_executions_total{operation=\"Execute\",outcome=\"Failed\",risk=\"none\"} 1",
        "sandgate_approval_decisions_total{verdict=\"Approved\"} 0", "sandgate_audit_healthy 0",
        "sandgate_audit_failures_total 5", "sandgate_pending_approvals 3",
        "sandgate_egress_grants_total 1", "sandgate_egress_ready 1",
        "sandgate_egress_signing_key_age_seconds 3600", "sandgate_guard_intact 1",
        "sandgate_policy_healthy 0", "sandgate_leader 0",
        "sandgate_queue_depth{controller=\"sandbox\"} 7"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace sandgate::op
