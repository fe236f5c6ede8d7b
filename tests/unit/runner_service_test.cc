// The runner's protocol over real mutual TLS on loopback, with the real engine behind it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>

#include "libs/http/client.h"
#include "runner/identity.h"
#include "runner/run_service.h"

namespace sandgate::runner {
namespace {

using ::testing::HasSubstr;

constexpr char kSandboxUid[] = "uid-1";

class ServiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, nullptr);
  }

  void SetUp() override {
    char name[] = "/var/tmp/sandgate-service-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    auto spawner = Spawner::Create(SANDGATE_RUNNER);
    ASSERT_TRUE(spawner.ok());
    auto supervisor = RunSupervisor::Create({directory_, 64 << 20}, std::move(spawner).value());
    ASSERT_TRUE(supervisor.ok());
    service_ =
        std::make_unique<RunService>(api::RunnerInfo{"boot", "1", kSandboxUid}, RunTableLimits{},
                                     std::move(supervisor).value(), [] { std::abort(); });
    auto ca = http::CertificateAuthority::Create("test", std::chrono::hours(1), Now());
    ASSERT_TRUE(ca.ok());
    ca_ = std::make_unique<http::CertificateAuthority>(*ca);
    http::ServerOptions options;
    options.address = "127.0.0.1";
    options.server_tls = {Issue(http::SandboxUri(kSandboxUid)), ca_->certificate_pem()};
    options.max_body_bytes = api::kMaxRunRequestBytes;
    auto server = http::Server::Start(options, [this](http::Request request, http::Responder to) {
      service_->Handle(std::move(request), std::move(to));
    });
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(server).value();
    operator_ = Client(http::kOperatorUri);
  }

  void TearDown() override {
    operator_.reset();
    service_->Stop();
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  static base::Time Now() { return base::RealClock().Now(); }

  http::TlsIdentity Issue(const std::string& uri) {
    http::CertificateRequest request;
    request.common_name = "test";
    request.uris = {uri};
    request.server = request.client = true;
    auto identity = ca_->Issue(request, Now());
    EXPECT_TRUE(identity.ok());
    return *identity;
  }

  std::unique_ptr<http::Client> Client(const std::string& uri) {
    http::ClientOptions options;
    options.identity = Issue(uri);
    options.ca_pem = ca_->certificate_pem();
    auto client = http::Client::Create(options);
    EXPECT_TRUE(client.ok());
    return std::move(client).value();
  }

  std::future<base::Result<http::Response>> Start(http::Client& client, const std::string& method,
                                                  const std::string& target,
                                                  const std::string& body = "") {
    auto promise = std::make_shared<std::promise<base::Result<http::Response>>>();
    auto future = promise->get_future();
    http::Request request;
    request.method = method;
    request.target = target;
    request.body = body;
    http::CallOptions options;
    options.expected_uri = http::SandboxUri(kSandboxUid);
    options.deadline = std::chrono::seconds(60);
    client.Call({"127.0.0.1", server_->port()}, std::move(request), options,
                [promise](base::Result<http::Response> response) {
                  promise->set_value(std::move(response));
                });
    return future;
  }

  http::Response Call(const std::string& method, const std::string& target,
                      const std::string& body = "") {
    auto response = Start(*operator_, method, target, body).get();
    EXPECT_TRUE(response.ok()) << response.status().ToString();
    return response.ok() ? *response : http::Response{};
  }

  static std::string Body(const std::string& code, const std::string& boot = "boot") {
    api::RunRequest request;
    request.boot_id = boot;
    request.language = api::Language::kShell;
    request.code = code;
    request.timeout_millis = 60'000;
    request.grace_millis = 100;
    request.memory_bytes = 256 << 20;
    request.output_bytes = 1000;
    return api::DumpJson(api::ToJson(request));
  }

  static api::RunState State(const http::Response& response) {
    auto json = api::ParseJson(response.body);
    EXPECT_TRUE(json.ok()) << response.body;
    auto state = api::RunStateFromJson(*json, 1000);
    EXPECT_TRUE(state.ok()) << response.body;
    return state.ok() ? *state : api::RunState{};
  }

  std::string directory_;
  std::unique_ptr<RunService> service_;
  std::unique_ptr<http::CertificateAuthority> ca_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> operator_;
};

TEST_F(ServiceTest, SaysWhoItIs) {
  const auto response = Call("GET", "/v1/info");
  EXPECT_EQ(response.status, 200u);
  EXPECT_THAT(response.body, HasSubstr("\"bootId\":\"boot\""));
}

TEST_F(ServiceTest, RunsOnceAndKeepsTheResultUntilItIsDeleted) {
  const std::string code = "echo x >> count; echo out; echo err >&2; exit 3";
  EXPECT_EQ(Call("POST", "/v1/runs/r1", Body(code)).status, 201u);
  const auto state = State(Call("GET", "/v1/runs/r1?wait=50s"));
  EXPECT_TRUE(state.finished);
  EXPECT_EQ(state.exit_code, 3);
  EXPECT_EQ(state.out, "out\n");
  EXPECT_EQ(state.err, "err\n");
  EXPECT_EQ(Call("POST", "/v1/runs/r1", Body(code)).status, 200u);
  EXPECT_EQ(State(Call("GET", "/v1/runs/r1")).out, "out\n");
  EXPECT_EQ(Call("DELETE", "/v1/runs/r1").status, 204u);
  EXPECT_EQ(Call("GET", "/v1/runs/r1").status, 404u);
  EXPECT_EQ(Call("POST", "/v1/runs/r1", Body(code)).status, 410u);
  std::ifstream count(directory_ + "/count");
  std::string text((std::istreambuf_iterator<char>(count)), {});
  EXPECT_EQ(text, "x\n");
}

TEST_F(ServiceTest, RefusesWhatIsNotForIt) {
  EXPECT_EQ(Call("POST", "/v1/runs/r1", Body("true", "other-boot")).status, 409u);
  EXPECT_EQ(Call("POST", "/v1/runs/r1", "{").status, 400u);
  EXPECT_THAT(Call("POST", "/v1/runs/r1", "{\"bootId\":\"boot\"}").body,
              HasSubstr("\"field\":\"operation\""));
  EXPECT_EQ(Call("POST", "/v1/runs/a%2Fb", Body("true")).status, 400u);
  EXPECT_EQ(Call("GET", "/v1/runs/none").status, 404u);
  EXPECT_EQ(Call("PUT", "/v1/runs/none").status, 405u);
  EXPECT_EQ(Call("GET", "/other").status, 404u);
}

TEST_F(ServiceTest, RefusesANetworkThatIsNone) {
  auto json = *api::ParseJson(Body("true"));
  json["network"] = {
      {"proxy", "10.96.0.7:8443"}, {"grant", "a\r\nb"}, {"domains", {"a.test"}}, {"caBundle", ""}};
  const auto response = Call("POST", "/v1/runs/r1", api::DumpJson(json));
  EXPECT_EQ(response.status, 400u);
  EXPECT_THAT(response.body, HasSubstr("\"field\":\"network.grant\""));
  EXPECT_EQ(Call("GET", "/v1/runs/r1").status, 404u);
}

TEST_F(ServiceTest, Probes) {
  const std::string itself = "127.0.0.1:" + std::to_string(server_->port());
  const auto ask = [this](const std::string& address, int millis) {
    return Call("POST", "/v1/probe",
                api::DumpJson(api::ToJson(api::ProbeRequest{address, millis})));
  };
  const auto connected = ask(itself, 10'000);
  EXPECT_EQ(connected.status, 200u);
  EXPECT_EQ(connected.body, "{\"outcome\":\"Connected\"}");
  const auto bad = ask("runner.test:8082", 1'000);
  EXPECT_EQ(bad.status, 400u);
  EXPECT_THAT(bad.body, HasSubstr("\"field\":\"address\""));
  EXPECT_EQ(ask(itself, 0).status, 400u);
  EXPECT_EQ(ask(itself, 10'001).status, 400u);
  EXPECT_EQ(Call("POST", "/v1/probe", "[]").status, 400u);
  EXPECT_EQ(Call("GET", "/v1/probe").status, 405u);
  const auto stranger = Client(http::SandboxUri("other"));
  const auto forbidden = Start(*stranger, "POST", "/v1/probe",
                               api::DumpJson(api::ToJson(api::ProbeRequest{itself, 1'000})))
                             .get();
  ASSERT_TRUE(forbidden.ok());
  EXPECT_EQ(forbidden->status, 403u);
}

TEST_F(ServiceTest, OneProbeAtATime) {
  // A listener whose queue is full: what asks for more waits.
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(listen(fd, 0), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size), 0);
  const std::string address = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  const auto body = [&address](int millis) {
    return api::DumpJson(api::ToJson(api::ProbeRequest{address, millis}));
  };
  while (Call("POST", "/v1/probe", body(100)).body.find("Connected") != std::string::npos) {
  }
  auto first = Start(*operator_, "POST", "/v1/probe", body(3'000));
  auto second = Start(*operator_, "POST", "/v1/probe", body(3'000));
  const auto one = first.get();
  const auto other = second.get();
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(std::min(one->status, other->status), 200u);
  EXPECT_EQ(std::max(one->status, other->status), 429u);
  close(fd);
}

TEST_F(ServiceTest, OnlyTheOperatorMaySpeak) {
  for (const std::string& uri : {http::SandboxUri("other"), std::string(http::kGatewayUri)}) {
    const auto stranger = Client(uri);
    const auto response = Start(*stranger, "POST", "/v1/runs/r1", Body("true")).get();
    ASSERT_TRUE(response.ok()) << response.status().ToString();
    EXPECT_EQ(response->status, 403u);
  }
  EXPECT_EQ(Call("GET", "/v1/runs/r1").status, 404u);
}

TEST_F(ServiceTest, CancelReachesTheRunningAndTheQueued) {
  EXPECT_EQ(Call("POST", "/v1/runs/r1", Body("sleep 1000")).status, 201u);
  EXPECT_EQ(Call("POST", "/v1/runs/r2", Body("touch never")).status, 201u);
  auto waiting = Start(*operator_, "GET", "/v1/runs/r1?wait=50s");
  EXPECT_EQ(Call("POST", "/v1/runs/r2/cancel").status, 202u);
  EXPECT_EQ(State(Call("GET", "/v1/runs/r2")).outcome, api::RunOutcome::kCancelled);
  EXPECT_EQ(Call("DELETE", "/v1/runs/r1").status, 409u);
  EXPECT_EQ(Call("POST", "/v1/runs/r1/cancel").status, 202u);
  EXPECT_EQ(State(*waiting.get()).outcome, api::RunOutcome::kCancelled);
  EXPECT_EQ(Call("POST", "/v1/runs/none/cancel").status, 404u);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/never"));
}

TEST_F(ServiceTest, AWaitThatEndsBeforeTheRunTellsThePresent) {
  EXPECT_EQ(Call("POST", "/v1/runs/r1", Body("sleep 1000")).status, 201u);
  const auto state = State(Call("GET", "/v1/runs/r1?wait=20ms"));
  EXPECT_FALSE(state.finished);
}

TEST_F(ServiceTest, StopEndsTheRunAndAnswersWhoWaits) {
  EXPECT_EQ(Call("POST", "/v1/runs/r1", Body("touch running; sleep 1000")).status, 201u);
  auto waiting = Start(*operator_, "GET", "/v1/runs/r1?wait=50s");
  service_->Stop();
  EXPECT_TRUE(waiting.get().ok());
}

TEST(Identity, IsTakenOnce) {
  char name[] = "/var/tmp/sandgate-identity-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::filesystem::path base = name;
  std::filesystem::create_directories(base / "secret");
  std::filesystem::create_directories(base / "identity");
  for (const char* file : {"tls.crt", "tls.key", "ca.crt"}) {
    std::ofstream(base / "secret" / file) << "pem of " << file;
  }
  EXPECT_FALSE(TakeIdentity(base / "identity").ok());
  ASSERT_TRUE(CopyIdentity(base / "secret", base / "identity").ok());
  ASSERT_TRUE(CopyIdentity(base / "secret", base / "identity").ok());
  const auto identity = TakeIdentity(base / "identity");
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->tls.key_pem, "pem of tls.key");
  EXPECT_EQ(identity->ca_pem, "pem of ca.crt");
  EXPECT_TRUE(std::filesystem::is_empty(base / "identity"));
  EXPECT_FALSE(TakeIdentity(base / "identity").ok());
  std::filesystem::remove_all(base);
}

}  // namespace
}  // namespace sandgate::runner
