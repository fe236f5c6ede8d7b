#include <gtest/gtest.h>

#include "libs/api/json.h"
#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "operator/webhook.h"
#include "tests/unit/http_client_test_util.h"
#include "tests/unit/operator_webhook_test_util.h"

namespace sandgate::op {
namespace {

using http::Inbox;
using http::Request;
using http::Response;

constexpr char kKey[] = "0123456789abcdef0123456789abcdef";

std::shared_ptr<const api::Approval> Approval(const std::string& uid, api::ApprovalPhase phase,
                                              std::chrono::seconds left = std::chrono::hours(1)) {
  auto approval = std::make_shared<api::Approval>();
  approval->meta.ns = "agents";
  approval->meta.name = "run";
  approval->meta.uid = uid;
  approval->phase = phase;
  approval->request.expires_at = base::RealClock().Now() + left;
  approval->request.summary.code_excerpt = "s3cret_code";
  return approval;
}

class WebhookTest : public testing::Test {
 protected:
  WebhookTest() {
    secret_.Write("key", kKey);
    secret_.Write("ca.crt", ca_.certificate_pem());
    base::SetLogSink([this](const std::string& line) { logs_.Put(line); });
  }
  ~WebhookTest() override {
    base::SetLogSink({});
    while (logs_.size() > 0) {
      const std::string line = logs_.Get();
      EXPECT_EQ(line.find("s3cret"), std::string::npos) << line;
      EXPECT_EQ(line.find(kKey), std::string::npos) << line;
    }
  }

  // A receiver on loopback; the URL file names it.
  std::unique_ptr<http::Server> Receive(http::Handler handler, uint16_t port = 0) {
    http::CertificateRequest names;
    names.common_name = "receiver";
    names.ip_addresses = {"127.0.0.1"};
    names.server = true;
    http::ServerOptions options;
    options.address = "127.0.0.1";
    options.port = port;
    options.server_tls.identity = *ca_.Issue(names, base::RealClock().Now());
    auto server = http::Server::Start(options, std::move(handler));
    EXPECT_TRUE(server.ok()) << server.status().ToString();
    PointTo((*server)->port());
    return std::move(server).value();
  }
  void PointTo(uint16_t port) const {
    secret_.Write("url", "https://127.0.0.1:" + std::to_string(port) + "/hook/s3cret");
  }
  std::unique_ptr<Webhook> NewWebhook(WebhookOptions options = {}) {
    options.directory = secret_.path();
    return std::make_unique<Webhook>(
        options, base::RealClock(),
        WebhookObserver{[this](WebhookEvent event, WebhookResult result) {
                          ends_.Put(std::string(WebhookEventName(event)) + ' ' +
                                    WebhookResultName(result));
                        },
                        [this] { failures_.Put(0); }});
  }
  // Answers one after the other as listed; the last one for ever.
  http::Handler Answering(std::vector<Response> answers) {
    return [this, answers = std::move(answers), next = size_t{0}](
               Request request, http::Responder responder) mutable {
      seen_.Put(std::move(request));
      responder.Send(answers[std::min(next++, answers.size() - 1)]);
    };
  }

  const http::CertificateAuthority ca_ = http::NewAuthority();
  const SecretDirectory secret_;
  Inbox<Request> seen_;
  Inbox<std::string> ends_;
  Inbox<int> failures_;
  Inbox<std::string> logs_;
};

TEST_F(WebhookTest, TellsSignedAndWithoutCode) {
  const auto server = Receive(Answering({Response{204, {}, ""}}));
  const auto webhook = NewWebhook();
  webhook->Changed(Approval("1", api::ApprovalPhase::kPending));
  const Request request = seen_.Get();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/hook/s3cret");
  EXPECT_EQ(request.HeaderValue("Content-Type"), "application/json");
  EXPECT_EQ(request.HeaderValue("Sandgate-Delivery"), "1.pending");
  const std::string signature(request.HeaderValue("Sandgate-Signature"));
  const size_t comma = signature.find(",v1=");
  ASSERT_TRUE(signature.starts_with("t=") && comma != std::string::npos) << signature;
  EXPECT_EQ(signature.substr(comma + 4),
            base::HmacSha256Hex(kKey, signature.substr(2, comma - 2) + '.' + request.body));
  EXPECT_EQ((*api::ParseJson(request.body))["id"], "1.pending");
  EXPECT_EQ(request.body.find("s3cret"), std::string::npos);
  EXPECT_EQ(ends_.Get(), "approval.pending delivered");
  webhook->Changed(Approval("1", api::ApprovalPhase::kApproved));
  EXPECT_EQ(seen_.Get().HeaderValue("Sandgate-Delivery"), "1.settled");
  EXPECT_EQ(ends_.Get(), "approval.settled delivered");
  EXPECT_EQ(webhook->depth(), 0U);
}

TEST_F(WebhookTest, TriesAgainUnderTheSameId) {
  const auto server =
      Receive(Answering({Response{503, {}, ""}, Response{503, {}, ""}, Response()}));
  const auto webhook = NewWebhook();
  webhook->Changed(Approval("1", api::ApprovalPhase::kPending));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(seen_.Get().HeaderValue("Sandgate-Delivery"), "1.pending") << i;
  }
  EXPECT_EQ(ends_.Get(), "approval.pending delivered");
  EXPECT_EQ(failures_.size(), 2U);
}

TEST_F(WebhookTest, RefusalsAndRedirectsAreFinal) {
  for (const unsigned status : {302U, 308U, 400U, 404U, 410U}) {
    const auto server =
        Receive(Answering({Response{status, {{"Location", "https://127.0.0.1/"}}, ""}}));
    const auto webhook = NewWebhook();
    webhook->Changed(Approval("1", api::ApprovalPhase::kPending));
    EXPECT_EQ(ends_.Get(), "approval.pending refused") << status;
    seen_.Get();
    EXPECT_EQ(seen_.size(), 0U) << status;
  }
}

TEST_F(WebhookTest, AHangIsOneFailedAttempt) {
  Inbox<http::Responder> kept;
  const auto server = Receive([&](Request request, http::Responder responder) {
    const bool first = seen_.size() == 0;
    seen_.Put(std::move(request));
    if (first) return kept.Put(responder);
    responder.Send(Response());
  });
  WebhookOptions options;
  options.attempt_deadline = std::chrono::milliseconds(200);
  const auto webhook = NewWebhook(options);
  webhook->Changed(Approval("1", api::ApprovalPhase::kPending));
  EXPECT_EQ(ends_.Get(), "approval.pending delivered");
  EXPECT_EQ(seen_.size(), 2U);
  EXPECT_EQ(failures_.size(), 1U);
}

TEST_F(WebhookTest, GarbageComesAgain) {
  http::CertificateRequest names;
  names.common_name = "receiver";
  names.ip_addresses = {"127.0.0.1"};
  names.server = true;
  http::ScriptedServer server(*ca_.Issue(names, base::RealClock().Now()));
  PointTo(server.port());
  const auto webhook = NewWebhook();
  webhook->Changed(Approval("1", api::ApprovalPhase::kPending));
  for (const char* garbage :
       {"220 ESMTP\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"}) {
    ASSERT_TRUE(server.Accept());
    server.ReadRequest();
    server.Send(garbage);
    failures_.Get();
    server.HangUp();
  }
  ASSERT_TRUE(server.Accept());
  server.ReadRequest();
  server.Answer("thanks");
  EXPECT_EQ(ends_.Get(), "approval.pending delivered");
}

TEST_F(WebhookTest, AnImpostorIsToldNothing) {
  secret_.Write("ca.crt", http::NewAuthority("another").certificate_pem());
  const auto server = Receive(Answering({Response()}));
  const auto webhook = NewWebhook();
  webhook->Changed(Approval("1", api::ApprovalPhase::kPending));
  failures_.Get();
  EXPECT_EQ(seen_.size(), 0U);
  secret_.Write("ca.crt", ca_.certificate_pem());  // mended while it waits
  EXPECT_EQ(ends_.Get(), "approval.pending delivered");
}

TEST_F(WebhookTest, ASecretMayComeLater) {
  const auto server = Receive(Answering({Response()}));
  std::filesystem::remove(secret_.path() + "/key");
  const auto webhook = NewWebhook();
  webhook->Changed(Approval("1", api::ApprovalPhase::kPending));
  failures_.Get();
  secret_.Write("key", kKey);
  EXPECT_EQ(ends_.Get(), "approval.pending delivered");
}

TEST_F(WebhookTest, TooLateIsNotTold) {
  const auto server = Receive(Answering({Response()}));
  const auto webhook = NewWebhook();
  webhook->Changed(Approval("1", api::ApprovalPhase::kPending, std::chrono::seconds(0)));
  EXPECT_EQ(ends_.Get(), "approval.pending gave_up");
  EXPECT_EQ(seen_.size(), 0U);
}

TEST_F(WebhookTest, OutcomesMayBeUnwanted) {
  const auto server = Receive(Answering({Response()}));
  WebhookOptions options;
  options.outcomes = false;
  const auto webhook = NewWebhook(options);
  webhook->Changed(Approval("1", api::ApprovalPhase::kDenied));
  webhook->Changed(Approval("2", api::ApprovalPhase::kPending));
  EXPECT_EQ(seen_.Get().HeaderValue("Sandgate-Delivery"), "2.pending");
}

// Nobody listens, or somebody never answers: those who report never wait, and the end is clean.
TEST_F(WebhookTest, StopsWithMessagesUnsent) {
  Inbox<http::Responder> kept;
  const auto server = Receive([&](Request request, http::Responder responder) {
    seen_.Put(std::move(request));
    kept.Put(responder);
  });
  auto webhook = NewWebhook();
  for (int i = 0; i < 100; ++i) {
    webhook->Changed(Approval(std::to_string(i), api::ApprovalPhase::kPending));
  }
  seen_.Get();
  webhook->Stop();
  EXPECT_EQ(ends_.size(), 0U);
  webhook->Changed(Approval("late", api::ApprovalPhase::kPending));
  webhook.reset();
}

}  // namespace
}  // namespace sandgate::op
